//! Files as lines, whatever they are compressed by.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
};

use super::options::Compression;

const BUFFER: usize = 256 * 1024;

pub(super) fn reader(file: File, compression: Compression) -> io::Result<Box<dyn BufRead>> {
    let file = BufReader::with_capacity(BUFFER, file);
    let plain: Box<dyn Read> = match compression {
        Compression::None => return Ok(Box::new(file)),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER, plain)))
}

/// A file that is written compressed.
pub(in super::super) enum Compressor<W: Write> {
    None(W),
    Gzip(flate2::write::GzEncoder<W>),
    Bzip2(bzip2::write::BzEncoder<W>),
    Zstd(zstd::stream::write::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    pub(in super::super) fn new(out: W, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(out),
            Compression::Gzip => Self::Gzip(flate2::write::GzEncoder::new(out, flate2::Compression::fast())),
            Compression::Bzip2 => Self::Bzip2(bzip2::write::BzEncoder::new(out, bzip2::Compression::fast())),
            Compression::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(out, 0)?),
        })
    }

    pub(in super::super) fn finish(self) -> io::Result<W> {
        match self {
            Self::None(out) => Ok(out),
            Self::Gzip(out) => out.finish(),
            Self::Bzip2(out) => out.finish(),
            Self::Zstd(out) => out.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(out) => out.write(bytes),
            Self::Gzip(out) => out.write(bytes),
            Self::Bzip2(out) => out.write(bytes),
            Self::Zstd(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(out) => out.flush(),
            Self::Gzip(out) => out.flush(),
            Self::Bzip2(out) => out.flush(),
            Self::Zstd(out) => out.flush(),
        }
    }
}
