package main

import (
	"math"
	"path/filepath"
	"sync/atomic"
	"time"
)

// perOctave is how many buckets of the histogram a doubling of the latency has; as in tail/histogram.ts.
const perOctave = 64

// histogram counts the latencies of one caller.
type histogram struct {
	counts  map[int]int
	longest time.Duration
}

func (h *histogram) add(took time.Duration) {
	h.counts[bucketOf(float64(took)/float64(time.Millisecond))]++
	h.longest = max(h.longest, took)
}

func bucketOf(ms float64) int {
	return max(0, int(math.Floor((math.Log2(max(ms, 1e-9))+20)*perOctave)))
}

// tail is a turn of bench:tail: callers append a number of entries together, each entry timed from
// the call to its return. The store stays open from turn to turn.
func (r *runner) tail(t trial) (sample, error) {
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
	before, err := r.opened.lastIndex()
	if err != nil {
		return sample{}, err
	}
	var taken atomic.Int64
	histograms := make([]histogram, t.Callers)
	observe := func(caller int) func() bool {
		own := &histograms[caller]
		own.counts = map[int]int{}
		isFirst := true
		var start time.Time
		return func() bool {
			now := time.Now()
			if !isFirst {
				own.add(now.Sub(start))
			}
			isFirst, start = false, now
			return taken.Add(1) <= int64(t.Entries)
		}
	}
	total, took, err := together(r.opened, someEntry(t.EntrySize), t.Callers, observe)
	if err != nil {
		return sample{}, err
	}
	last, err := r.opened.lastIndex()
	if err == nil {
		err = requireWork("appended", last-before, total)
	}
	files, _ := filepath.Glob(filepath.Join(t.Path, "*.wal"))
	return sample{total, milliseconds(took), summed(histograms, len(files))}, err
}

func summed(histograms []histogram, segments int) tail {
	counts := map[int]int{}
	var longest time.Duration
	for _, each := range histograms {
		for bucket, count := range each.counts {
			counts[bucket] += count
		}
		longest = max(longest, each.longest)
	}
	result := tail{Longest: milliseconds(longest), Segments: segments}
	for bucket, count := range counts {
		result.Latencies = append(result.Latencies, bucket, count)
	}
	return result
}
