// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hedgeward/hedgeward/instance"
)

// inside runs probes inside instances.
type inside struct{ self string } // path of this program

func newInside() (inside, error) {
	self, err := os.Executable()
	return inside{self}, err
}

// dial reports whether a TCP connection from the instance can be made.
func (p inside) dial(ctx context.Context, id, address string) (bool, error) {
	var out strings.Builder
	code, err := instance.Exec(ctx, id, []string{p.self, "probe", "dial", address}, nil, &out, os.Stderr)
	if err != nil {
		return false, err
	}
	return p.word(id, strings.TrimSpace(out.String()), code)
}

func (p inside) word(id, word string, code int) (bool, error) {
	switch {
	case code == 0 && word == probeOpen:
		return true, nil
	case code == 0 && word == probeShut:
		return false, nil
	}
	return false, fmt.Errorf("the probe in %s said %q and ended with status %d", id, word, code)
}

// conversation is a probe that goes on: its words come line by line.
type conversation struct {
	id    string
	say   io.WriteCloser
	words *bufio.Scanner
	ended chan error // capacity 1
}

// start runs a probe inside an instance until stop or ctx's end.
func (p inside) start(ctx context.Context, id string, args ...string) *conversation {
	stdin, say := io.Pipe()
	hear, stdout := io.Pipe()
	c := &conversation{id: id, say: say, words: bufio.NewScanner(hear), ended: make(chan error, 1)}
	go func() {
		_, err := instance.Exec(ctx, id, append([]string{p.self, "probe"}, args...), stdin, stdout, os.Stderr)
		stdout.CloseWithError(io.EOF)
		c.ended <- err
	}()
	return c
}

// next returns the probe's next word.
func (c *conversation) next() (string, error) {
	if !c.words.Scan() {
		return "", fmt.Errorf("the probe in %s ended early: %w", c.id, <-c.ended)
	}
	return c.words.Text(), nil
}

// exchange sends one line over the connection that a talk probe keeps and
// reports whether it came back.
func (c *conversation) exchange() (bool, error) {
	if _, err := fmt.Fprintln(c.say, "still there?"); err != nil {
		return false, err
	}
	word, err := c.next()
	return word == probeOpen, err
}
