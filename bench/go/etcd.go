package main

import (
	"errors"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// etcd is the log under etcd's Raft. A log that exists has to be read to its end before it can be
// appended to, so open does that.
type etcd struct {
	path  string
	log   *wal.WAL
	last  uint64
	batch []*raftpb.Entry
}

func openEtcd(path string, _ int, isDurable bool) (store, error) {
	if !wal.Exist(path) {
		log, err := wal.Create(zap.NewNop(), path, nil)
		if err != nil {
			return nil, err
		}
		if !isDurable {
			log.SetUnsafeNoFsync()
		}
		return &etcd{path: path, log: log}, nil
	}
	log, err := wal.Open(zap.NewNop(), path, &walpb.Snapshot{})
	if err != nil {
		return nil, err
	}
	_, _, entries, err := log.ReadAll()
	if err != nil {
		return nil, err
	}
	return &etcd{path: path, log: log, last: uint64(len(entries))}, nil
}

func (e *etcd) append(entry []byte, count int) error {
	for range count {
		if err := e.appendBatch([][]byte{entry}); err != nil {
			return err
		}
	}
	return nil
}

func (e *etcd) appendBatch(entries [][]byte) error {
	for len(e.batch) < len(entries) {
		index, term := new(uint64), uint64(1)
		e.batch = append(e.batch, &raftpb.Entry{Index: index, Term: &term})
	}
	batch := e.batch[:len(entries)]
	for i := range batch {
		e.last++
		*batch[i].Index = e.last
		batch[i].Data = entries[i]
	}
	return e.log.Save(nil, batch)
}

func (e *etcd) get([]uint32) (int, error) {
	return 0, errors.New("etcd's log has no read of one entry")
}

func (e *etcd) replay() (int, error) {
	log, err := wal.OpenForRead(zap.NewNop(), e.path, &walpb.Snapshot{})
	if err != nil {
		return 0, err
	}
	_, _, entries, err := log.ReadAll()
	sum := 0
	for i := range entries {
		sum += touch(entries[i].Data)
	}
	// Nothing is left to close: reading to the end has done that.
	return sum, err
}

func (e *etcd) lastIndex() (int, error) {
	return int(e.last), nil
}

func (e *etcd) close() error {
	return e.log.Close()
}
