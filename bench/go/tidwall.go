package main

import "github.com/tidwall/wal"

// tidwall is the log of tidwall/wal.
type tidwall struct {
	log   *wal.Log
	last  uint64
	batch wal.Batch
}

func openTidwall(path string, _ int, isDurable bool) (store, error) {
	options := *wal.DefaultOptions
	options.NoSync = !isDurable
	log, err := wal.Open(path, &options)
	if err != nil {
		return nil, err
	}
	last, err := log.LastIndex()
	return &tidwall{log: log, last: last}, err
}

func (t *tidwall) append(entry []byte, count int) error {
	for range count {
		t.last++
		if err := t.log.Write(t.last, entry); err != nil {
			return err
		}
	}
	return nil
}

func (t *tidwall) appendBatch(entries [][]byte) error {
	for _, entry := range entries {
		t.last++
		t.batch.Write(t.last, entry)
	}
	return t.log.WriteBatch(&t.batch)
}

func (t *tidwall) get(indexes []uint32) (int, error) {
	sum := 0
	for _, index := range indexes {
		data, err := t.log.Read(uint64(index))
		if err != nil {
			return 0, err
		}
		sum += touch(data)
	}
	return sum, nil
}

func (t *tidwall) replay() (int, error) {
	sum := 0
	for index := uint64(1); index <= t.last; index++ {
		data, err := t.log.Read(index)
		if err != nil {
			return 0, err
		}
		sum += touch(data)
	}
	return sum, nil
}

func (t *tidwall) lastIndex() (int, error) {
	last, err := t.log.LastIndex()
	return int(last), err
}

func (t *tidwall) close() error {
	return t.log.Close()
}
