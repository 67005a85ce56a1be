"""Windows of many callers in few batches: none lost, none mixed up, none for who has left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from sonicgen.embedder.batches import Batcher
from sonicgen.embedder.problems import CallerLeftError, RequestError
from sonicgen.embedder.tickets import Ticket

Window = NDArray[np.float32]
Made = Callable[..., Batcher]


def window(value: float, length: int = 100) -> Window:
    return np.full(length, value, np.float32)


class Network:
    """Answers with each window's first value, and remembers its batches."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[float, int]]] = []
        self.go = threading.Event()
        self.go.set()
        self.reached = threading.Event()

    def __call__(self, windows: list[Window]) -> NDArray[np.float32]:
        self.reached.set()
        assert self.go.wait(10)
        self.batches.append([(float(each[0]), len(each)) for each in windows])
        if any(each[0] == -1 for each in windows):
            raise ValueError("a sound that no network can bear")
        return np.array([[each[0], 1.0] for each in windows], np.float32)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def make(network: Network) -> Iterator[Made]:
    made: list[Batcher] = []

    def begin(batch: int = 4, wait: float = 0.01, lengths: tuple[int, ...] = (100, 200)) -> Batcher:
        made.append(Batcher(network, batch_windows=batch, wait_seconds=wait, lengths=lengths))
        return made[-1]

    yield begin
    network.go.set()
    for each in made:
        each.close()


def test_callers_at_the_same_time_share_batches_and_get_their_own(make: Made, network: Network) -> None:
    batcher = make(batch=8, wait=0.05)
    futures = [batcher.submit([window(n), window(n + 0.5)], Ticket()) for n in range(8)]
    for n, future in enumerate(futures):
        assert future.result(5)[:, 0].tolist() == [n, n + 0.5]
    assert [len(each) for each in network.batches] == [8, 8]


def test_a_batch_holds_windows_of_one_length(make: Made, network: Network) -> None:
    batcher = make(batch=4, wait=0.05)
    mixed = [window(1, 100), window(2, 200), window(3, 100), window(4, 150), window(5, 170)]
    assert batcher.submit(mixed, Ticket()).result(5)[:, 0].tolist() == [1, 2, 3, 4, 5]
    lengths = [{length for _, length in batch} for batch in network.batches]
    assert sorted(map(sorted, lengths)) == [[100], [150, 170], [200]]


def test_one_window_waits_no_longer_than_it_must(make: Made) -> None:
    batcher = make(batch=64, wait=0.02)
    started = time.monotonic()
    batcher.submit([window(1)], Ticket()).result(5)
    assert time.monotonic() - started < 1


def test_a_long_recording_does_not_hold_up_a_sentence(make: Made, network: Network) -> None:
    batcher = make(batch=4)
    network.go.clear()
    batcher.submit([window(0)], Ticket())
    assert network.reached.wait(5)
    hour = batcher.submit([window(n) for n in range(100, 500)], Ticket())
    sentence = batcher.submit([window(7), window(8)], Ticket())
    network.go.set()
    sentence.result(5)
    hour.result(5)
    batches = [[value for value, _ in batch] for batch in network.batches]
    assert max(number for number, batch in enumerate(batches) if {7, 8} & set(batch)) <= 2


def test_who_leaves_takes_its_windows_along(make: Made, network: Network) -> None:
    batcher = make(batch=4)
    network.go.clear()
    first = batcher.submit([window(0)], Ticket())
    assert network.reached.wait(5)
    ticket = Ticket()
    gone = batcher.submit([window(n) for n in range(10, 50)], ticket)
    stays = batcher.submit([window(1)], Ticket())
    assert batcher.queued == 41
    ticket.leave()
    assert batcher.queued == 1
    with pytest.raises(CallerLeftError):
        gone.result(5)
    network.go.set()
    first.result(5)
    assert stays.result(5)[0, 0] == 1
    assert {value for batch in network.batches for value, _ in batch} == {0, 1}


def test_who_has_left_already_queues_nothing(make: Made, network: Network) -> None:
    ticket = Ticket()
    ticket.leave()
    with pytest.raises(CallerLeftError):
        make().submit([window(1)], ticket).result(5)


def test_a_sound_that_breaks_the_encoder_breaks_its_own_request_only(make: Made) -> None:
    batcher = make(batch=8, wait=0.05)
    good, bad, also_good = (batcher.submit([window(value)], Ticket()) for value in (1, -1, 2))
    assert good.result(5)[0, 0] == 1
    assert also_good.result(5)[0, 0] == 2
    with pytest.raises(RequestError, match="failed on this sound"):
        bad.result(5)
    assert batcher.submit([window(3)], Ticket()).result(5)[0, 0] == 3


def test_what_waits_is_worked_off_before_the_end(make: Made, network: Network) -> None:
    batcher = make(batch=2)
    futures = [batcher.submit([window(n)], Ticket()) for n in range(9)]
    batcher.close()
    assert [future.result(0)[0, 0] for future in futures] == list(range(9))
    with pytest.raises(RequestError, match="ending"):
        batcher.submit([window(1)], Ticket())


def test_many_threads_lose_and_mix_up_nothing(make: Made, network: Network) -> None:
    batcher = make(batch=16, wait=0.002)
    wrong: list[int] = []

    def ask(caller: int) -> None:
        for number in range(20):
            values = [caller * 1000 + number * 10 + n for n in range(3)]
            rows = batcher.submit([window(value, 100 + 100 * (n % 2)) for n, value in enumerate(values)], Ticket())
            if rows.result(20)[:, 0].tolist() != values:
                wrong.append(caller)

    threads = [threading.Thread(target=ask, args=(caller,)) for caller in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert sum(len(batch) for batch in network.batches) == 40 * 20 * 3
    assert max(len(batch) for batch in network.batches) > 4
