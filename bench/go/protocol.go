// The peers that are written in Go, run as the benchmark's other contestants are: a process each,
// which takes trials from its standard input, a line of JSON each, and answers each with a line.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// trial is what the benchmark's main program asks for; it has a twin in trial.ts.
type trial struct {
	Operation string  `json:"operation"`
	Batch     int     `json:"batch"`
	Callers   int     `json:"callers"`
	IsSynced  bool    `json:"isSynced"`
	Path      string  `json:"path"`
	EntrySize int     `json:"entrySize"`
	Ms        float64 `json:"ms"`
	Entries   int     `json:"entries"`
	Reads     int     `json:"reads"`
}

type sample struct {
	Entries int     `json:"entries"`
	Ms      float64 `json:"ms"`
	tail
}

// tail is what is known of single appends; it has a twin in tail/turn.ts.
type tail struct {
	// Latencies are pairs: a bucket of the histogram, and how many appends fell in it.
	Latencies []int `json:"latencies,omitempty"`
	// Longest is in milliseconds.
	Longest float64 `json:"longest,omitempty"`
	// Segments is how many files the log has now, beside those that it prepares.
	Segments int `json:"segments,omitempty"`
}

// store is a log that is open. What a peer has no call for is an error.
type store interface {
	append(entry []byte, count int) error
	appendBatch(entries [][]byte) error
	get(indexes []uint32) (int, error)
	replay() (int, error)
	lastIndex() (int, error)
	close() error
}

// contestant opens stores; isDurable says whether each call is to be synced.
type contestant struct {
	module string
	open   func(path string, entrySize int, isDurable bool) (store, error)
}

var contestants = map[string]contestant{
	"floor":       {"", openFloor},
	"etcd wal":    {"go.etcd.io/etcd/server/v3", openEtcd},
	"raft-wal":    {"github.com/hashicorp/raft-wal", openRaftWal},
	"tidwall/wal": {"github.com/tidwall/wal", openTidwall},
}

func main() {
	found, ok := contestants[os.Args[1]]
	if !ok {
		answer(map[string]string{"missing": "there is no such contestant"})
		return
	}
	answer(map[string]any{"ready": versionOf(found.module), "hasGroupCommit": false})
	lines := bufio.NewScanner(os.Stdin)
	runner := runner{contestant: found}
	for lines.Scan() {
		var asked trial
		err := json.Unmarshal(lines.Bytes(), &asked)
		var result sample
		if err == nil {
			result, err = runner.run(asked)
		}
		if err != nil {
			first, _, _ := strings.Cut(err.Error(), "\n")
			answer(map[string]string{"error": first})
			continue
		}
		answer(result)
	}
	_ = runner.close()
}

func answer(line any) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func versionOf(module string) string {
	if module == "" {
		return runtime.Version()
	}
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return module + " " + dependency.Version
		}
	}
	return module
}
