package main

import (
	"bytes"
	"syscall"
)

const (
	frameHeader = 9
	readChunk   = 1 << 20
)

// floor is what Go does by itself with the same bytes: bare system calls, frames that are ready.
type floor struct {
	file      int
	frameSize int
	isDurable bool
	frames    []byte
	chunk     []byte
}

func openFloor(path string, entrySize int, isDurable bool) (store, error) {
	file, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CREAT|syscall.O_APPEND|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	size := frameHeader + entrySize
	return &floor{
		file:      file,
		frameSize: size,
		isDurable: isDurable,
		frames:    bytes.Repeat([]byte{7}, size*chunk),
		chunk:     make([]byte, readChunk),
	}, nil
}

func (f *floor) append(_ []byte, count int) error {
	for range count {
		if _, err := syscall.Write(f.file, f.frames[:f.frameSize]); err != nil {
			return err
		}
		if f.isDurable {
			if err := syscall.Fdatasync(f.file); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *floor) appendBatch(entries [][]byte) error {
	if _, err := syscall.Write(f.file, f.frames[:f.frameSize*len(entries)]); err != nil {
		return err
	}
	if !f.isDurable {
		return nil
	}
	return syscall.Fdatasync(f.file)
}

func (f *floor) get(indexes []uint32) (int, error) {
	frame := f.chunk[:f.frameSize]
	sum := 0
	for _, index := range indexes {
		n, err := syscall.Pread(f.file, frame, int64(index-1)*int64(f.frameSize))
		if err != nil {
			return 0, err
		}
		sum += n - frameHeader + int(frame[0])
	}
	return sum, nil
}

func (f *floor) replay() (int, error) {
	read := 0
	for {
		n, err := syscall.Pread(f.file, f.chunk, int64(read))
		if err != nil {
			return 0, err
		}
		if n == 0 {
			return read / f.frameSize * (f.frameSize - frameHeader + int(f.chunk[0])), nil
		}
		read += n
	}
}

func (f *floor) lastIndex() (int, error) {
	var stat syscall.Stat_t
	err := syscall.Fstat(f.file, &stat)
	return int(stat.Size) / f.frameSize, err
}

func (f *floor) close() error {
	return syscall.Close(f.file)
}
