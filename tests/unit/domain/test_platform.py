from __future__ import annotations

import pytest

from sonicgen.domain.platform import cooled_host, platform_of, site_name


@pytest.mark.parametrize(
    ("url", "platform", "host"),
    [
        ("https://www.youtube.com/watch?v=abcdefghijk", "youtube", "youtube.com"),
        ("https://m.youtube.com/watch?v=abcdefghijk", "youtube", "youtube.com"),
        ("https://music.youtube.com/watch?v=abcdefghijk", "youtube", "youtube.com"),
        ("https://youtu.be/abcdefghijk", "youtube", "youtube.com"),
        ("https://YOUTUBE.com/shorts/abcdefghijk", "youtube", "youtube.com"),
        ("https://youtube.com.evil.example/watch?v=abcdefghijk", "other", "youtube.com.evil.example"),
        ("https://youtube.com@169.254.169.254/", "other", "169.254.169.254"),
        ("https://notyoutube.com/", "other", "notyoutube.com"),
        ("https://vm.tiktok.com/ZM1/", "tiktok", "tiktok.com"),
        ("https://www.instagram.com/reel/x/", "instagram", "instagram.com"),
        ("http://www.example.org:8080/a", "other", "example.org:8080"),
        ("http://[::1", "other", ""),
    ],
)
def test_sites_are_known_by_their_exact_hosts(url: str, platform: str, host: str) -> None:
    assert platform_of(url) == platform
    if host:
        assert cooled_host(url) == host
    assert site_name(url) == {"youtube": "YouTube", "tiktok": "TikTok", "instagram": "Instagram"}.get(
        platform, host.removesuffix(":8080").replace("example.org", "www.example.org") or "The site"
    )
