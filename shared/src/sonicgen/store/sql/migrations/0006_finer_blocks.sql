-- Blocks of large segments are told apart by the lower bits of a key too: with 24 bits a block was all postings of 256
-- keys, 500 of them in a segment of 4,000 hours, of which a search used five.
alter table packed_segments drop constraint packed_segments_bits_check;
alter table packed_segments add constraint packed_segments_bits_check check (bits between 0 and 31);
