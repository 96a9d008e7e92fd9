// Serve a Go build cache to the go command (GOCACHEPROG) from a directory of entries that is only read, and from $GOCACHE,
// to which new entries are written. Both are laid out as the go command lays out its own cache.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

type request struct {
	ID       int64
	Command  string
	ActionID []byte
	OutputID []byte
	BodySize int64
}

type response struct {
	ID            int64
	Err           string     `json:",omitempty"`
	KnownCommands []string   `json:",omitempty"`
	Miss          bool       `json:",omitempty"`
	OutputID      []byte     `json:",omitempty"`
	Size          int64      `json:",omitempty"`
	Time          *time.Time `json:",omitempty"`
	DiskPath      string     `json:",omitempty"`
}

var made = time.Unix(0, 1)

func file(directory string, id []byte, letter string) string {
	name := hex.EncodeToString(id)
	return filepath.Join(directory, name[:2], name+"-"+letter)
}

// Return the entry of an action if a directory has it with its output.
func get(directories []string, asked request) response {
	for _, directory := range directories {
		content, err := os.ReadFile(file(directory, asked.ActionID, "a"))
		if err != nil {
			continue
		}
		var action, output string
		var size, at int64
		if _, err := fmt.Sscanf(string(content), "v1 %s %s %d %d", &action, &output, &size, &at); err != nil {
			continue
		}
		id, err := hex.DecodeString(output)
		if err != nil || len(id) == 0 {
			continue
		}
		path := file(directory, id, "d")
		if found, err := os.Stat(path); err != nil || found.Size() != size {
			continue
		}
		return response{ID: asked.ID, OutputID: id, Size: size, Time: &made, DiskPath: path}
	}
	return response{ID: asked.ID, Miss: true}
}

// Write an entry. The entry's file comes last, so that an entry has its output.
func put(directory string, asked request, body []byte) response {
	path := file(directory, asked.OutputID, "d")
	if found, err := os.Stat(path); err != nil || found.Size() != asked.BodySize {
		if err := write(path, body); err != nil {
			return response{ID: asked.ID, Err: err.Error()}
		}
	}
	entry := fmt.Sprintf("v1 %x %x %20d %20d\n", asked.ActionID, asked.OutputID, asked.BodySize, 1)
	if err := write(file(directory, asked.ActionID, "a"), []byte(entry)); err != nil {
		return response{ID: asked.ID, Err: err.Error()}
	}
	return response{ID: asked.ID, DiskPath: path}
}

func write(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(path), "new")
	if err != nil {
		return err
	}
	if _, err = out.Write(content); err == nil {
		err = out.Chmod(0o644)
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(out.Name(), path)
	}
	return err
}

func main() {
	own := os.Getenv("GOCACHE")
	directories := []string{own, os.Args[1]}
	in := json.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	buffer := bufio.NewWriter(os.Stdout)
	out := json.NewEncoder(buffer)
	var lock sync.Mutex
	var running sync.WaitGroup
	answer := func(given response) {
		lock.Lock()
		defer lock.Unlock()
		if out.Encode(given) != nil || buffer.Flush() != nil {
			os.Exit(1)
		}
	}
	answer(response{KnownCommands: []string{"get", "put", "close"}})
	for {
		var asked request
		if err := in.Decode(&asked); err == io.EOF {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		switch asked.Command {
		case "get":
			running.Add(1)
			go func() { answer(get(directories, asked)); running.Done() }()
		case "put":
			var body []byte
			if asked.BodySize > 0 {
				if err := in.Decode(&body); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
			}
			running.Add(1)
			go func() { answer(put(own, asked, body)); running.Done() }()
		case "close":
			running.Wait()
			answer(response{ID: asked.ID})
			return
		default:
			answer(response{ID: asked.ID, Err: "unknown command"})
		}
	}
}
