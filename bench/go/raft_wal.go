package main

import (
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
)

// raftWal is the log for HashiCorp's Raft. It syncs each append.
type raftWal struct {
	log   *wal.WAL
	last  uint64
	batch []*raft.Log
}

func openRaftWal(path string, _ int, _ bool) (store, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	log, err := wal.Open(path, wal.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		return nil, err
	}
	last, err := log.LastIndex()
	return &raftWal{log: log, last: last}, err
}

func (r *raftWal) append(entry []byte, count int) error {
	for range count {
		if err := r.appendBatch([][]byte{entry}); err != nil {
			return err
		}
	}
	return nil
}

func (r *raftWal) appendBatch(entries [][]byte) error {
	for len(r.batch) < len(entries) {
		r.batch = append(r.batch, &raft.Log{Term: 1})
	}
	batch := r.batch[:len(entries)]
	for i := range batch {
		r.last++
		batch[i].Index = r.last
		batch[i].Data = entries[i]
	}
	return r.log.StoreLogs(batch)
}

func (r *raftWal) get(indexes []uint32) (int, error) {
	sum := 0
	for _, index := range indexes {
		var entry raft.Log
		if err := r.log.GetLog(uint64(index), &entry); err != nil {
			return 0, err
		}
		sum += touch(entry.Data)
	}
	return sum, nil
}

func (r *raftWal) replay() (int, error) {
	sum := 0
	for index := uint64(1); index <= r.last; index++ {
		var entry raft.Log
		if err := r.log.GetLog(index, &entry); err != nil {
			return 0, err
		}
		sum += touch(entry.Data)
	}
	return sum, nil
}

func (r *raftWal) lastIndex() (int, error) {
	last, err := r.log.LastIndex()
	return int(last), err
}

func (r *raftWal) close() error {
	return r.log.Close()
}
