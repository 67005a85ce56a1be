-- Blocks of large segments are told apart by the lower bits of a key too: with 24 bits a block was all postings of 256
-- keys, 500 of them in a segment of 4,000 hours, of which a search used five.
alter table packed_segments drop constraint packed_segments_bits_check;
alter table packed_segments add constraint packed_segments_bits_check check (bits between 0 and 31);

-- Blocks of up to a page stay in their row: a quarter of those that searches read, those of common keys, are larger than
-- the 2 kB beyond which a value moves into a table of its own, where it takes as many reads again.
alter table packed_postings set (toast_tuple_target = 8160);
