package main

import (
	"fmt"
	"sync"
	"time"
)

// chunk is how many entries are appended between two looks at the clock.
const chunk = 1000

// runner runs trials, and keeps the store open that is read again and again.
type runner struct {
	contestant contestant
	path       string
	opened     store
}

func (r *runner) run(t trial) (sample, error) {
	switch t.Operation {
	case "append", "appendBatch", "appendAndSync", "appendBatchAndSync":
		return r.append(t)
	case "fill":
		return r.fill(t)
	case "open":
		return r.open(t)
	case "tail":
		return r.tail(t)
	case "get", "replay":
		return r.read(t)
	}
	return sample{}, fmt.Errorf("there is no operation %q", t.Operation)
}

func (r *runner) append(t trial) (sample, error) {
	isDurable := t.Operation == "appendAndSync" || t.Operation == "appendBatchAndSync"
	s, err := r.contestant.open(t.Path, t.EntrySize, isDurable)
	if err != nil {
		return sample{}, err
	}
	entry := someEntry(t.EntrySize)
	entries := repeat(entry, t.Batch)
	limit := time.Duration(t.Ms * float64(time.Millisecond))
	var total int
	var took time.Duration
	if t.Callers > 1 {
		start := time.Now()
		total, took, err = together(s, entry, t.Callers, func(int) func() bool {
			return func() bool { return time.Since(start) < limit }
		})
	} else {
		start := time.Now()
		for err == nil && took < limit {
			switch t.Operation {
			case "append":
				err = s.append(entry, chunk)
				total += chunk
			case "appendAndSync":
				err = s.append(entry, 1)
				total++
			default:
				err = s.appendBatch(entries)
				total += t.Batch
			}
			took = time.Since(start)
		}
	}
	if err != nil {
		return sample{}, err
	}
	last, err := s.lastIndex()
	if err == nil {
		err = requireWork("appended", last, total)
	}
	if err == nil {
		err = s.close()
	}
	return sample{Entries: total, Ms: milliseconds(took)}, err
}

// together lets many callers share syncs: one batch is in flight, and who comes meanwhile is in the
// next. A caller asks before each append whether to make it; observe, given the caller's number, makes
// the function that it asks.
func together(s store, entry []byte, callers int, observe func(int) func() bool) (int, time.Duration, error) {
	type request struct {
		entry []byte
		done  chan error
	}
	queue := make(chan request, callers)
	var committer, all sync.WaitGroup
	committer.Go(func() {
		for first := range queue {
			requests := []request{first}
			for more := true; more; {
				select {
				case next, ok := <-queue:
					if ok {
						requests = append(requests, next)
					}
					more = ok
				default:
					more = false
				}
			}
			entries := make([][]byte, len(requests))
			for i := range requests {
				entries[i] = requests[i].entry
			}
			err := s.appendBatch(entries)
			for i := range requests {
				requests[i].done <- err
			}
		}
	})
	counts := make([]int, callers)
	errors := make([]error, callers)
	start := time.Now()
	for caller := range callers {
		all.Go(func() {
			done := make(chan error, 1)
			goesOn := observe(caller)
			for errors[caller] == nil && goesOn() {
				queue <- request{entry, done}
				errors[caller] = <-done
				counts[caller]++
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	close(queue)
	committer.Wait()
	total := 0
	for caller := range callers {
		if errors[caller] != nil {
			return 0, 0, errors[caller]
		}
		total += counts[caller]
	}
	return total, took, nil
}

// fill writes the store whose writer is then killed, so it is not closed here.
func (r *runner) fill(t trial) (sample, error) {
	s, err := r.contestant.open(t.Path, t.EntrySize, t.IsSynced)
	if err != nil {
		return sample{}, err
	}
	start := time.Now()
	for done := 0; done < t.Entries; done += chunk {
		count := min(chunk, t.Entries-done)
		if err := s.appendBatch(repeat(someEntry(t.EntrySize), count)); err != nil {
			return sample{}, err
		}
	}
	took := time.Since(start)
	last, err := s.lastIndex()
	if err == nil {
		err = requireWork("filled with", last, t.Entries)
	}
	return sample{Entries: t.Entries, Ms: milliseconds(took)}, err
}

func (r *runner) open(t trial) (sample, error) {
	start := time.Now()
	s, err := r.contestant.open(t.Path, t.EntrySize, true)
	if err != nil {
		return sample{}, err
	}
	last, err := s.lastIndex()
	took := time.Since(start)
	if err == nil {
		err = s.close()
	}
	if err == nil {
		err = requireWork("opened with", last, t.Entries)
	}
	return sample{Entries: t.Entries, Ms: milliseconds(took)}, err
}

func (r *runner) read(t trial) (sample, error) {
	if r.path != t.Path {
		if err := r.close(); err != nil {
			return sample{}, err
		}
		s, err := r.contestant.open(t.Path, t.EntrySize, true)
		if err != nil {
			return sample{}, err
		}
		r.path, r.opened = t.Path, s
	}
	count := t.Entries
	var indexes []uint32
	if t.Operation == "get" {
		count = t.Reads
		indexes = randomIndexes(t.Reads, t.Entries)
	}
	start := time.Now()
	var sum int
	var err error
	if t.Operation == "get" {
		sum, err = r.opened.get(indexes)
	} else {
		sum, err = r.opened.replay()
	}
	took := time.Since(start)
	if err == nil {
		err = requireWork("read", sum, count*touch(someEntry(t.EntrySize)))
	}
	return sample{Entries: count, Ms: milliseconds(took)}, err
}

func (r *runner) close() error {
	if r.opened == nil {
		return nil
	}
	err := r.opened.close()
	r.opened, r.path = nil, ""
	return err
}

// randomIndexes are the same ones in every process, whatever its language.
func randomIndexes(count, entries int) []uint32 {
	state := uint32(1)
	indexes := make([]uint32, count)
	for i := range indexes {
		state = state*1664525 + 1013904223
		indexes[i] = 1 + uint32(float64(state)/(1<<32)*float64(entries))
	}
	return indexes
}

// touch looks at an entry, so that reading it cannot be left out.
func touch(data []byte) int {
	return len(data) + int(data[0])
}

func someEntry(size int) []byte {
	entry := make([]byte, size)
	for i := range entry {
		entry[i] = byte(7 + i*31)
	}
	return entry
}

func repeat(entry []byte, count int) [][]byte {
	entries := make([][]byte, count)
	for i := range entries {
		entries[i] = entry
	}
	return entries
}

// requireWork fails a trial that did not do its work, which would otherwise be the fastest of all.
func requireWork(what string, done, wanted int) error {
	if done == wanted {
		return nil
	}
	return fmt.Errorf("%s %d instead of %d", what, done, wanted)
}

func milliseconds(took time.Duration) float64 {
	return float64(took) / float64(time.Millisecond)
}
