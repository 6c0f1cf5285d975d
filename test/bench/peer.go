// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
)

// peerMode is the argument with which this program starts itself inside a
// namespace, pinned to one CPU, to send or to answer.
const peerMode = "peer"

// order is what a peer is told, one line of JSON each.
type order struct {
	Do    string // "serve", "stop" (the serving) or "load"
	Kind  workload
	From  string // address of the sender
	To    string // address of the server
	Port  int
	Nanos int64 // how long at most
	Count int   // how many at most, for kinds that are bounded in count
}

// outcome is what a peer answers.
type outcome struct {
	Count      int   // requests, connections, bytes or packets
	Start, End int64 // by the monotonic clock, which all namespaces share
	P50, P99   int64 // ns; of a request, where there are any
	Work       work  // of the thread, in the kernel and outside
	Error      string
}

// servePeer obeys orders from in until it ends.
func servePeer(in io.Reader, out io.Writer) error {
	answers := json.NewEncoder(out)
	var serving *service
	orders := json.NewDecoder(bufio.NewReader(in))
	for {
		var o order
		if err := orders.Decode(&o); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var got outcome
		var err error
		switch o.Do {
		case "serve":
			serving, err = serve(o)
		case "stop":
			got, err = serving.stop()
		case "load":
			got, err = pinned(func() (outcome, error) { return counted(func() (outcome, error) { return load(o) }) })
		default:
			err = fmt.Errorf("unknown order %q", o.Do)
		}
		if err != nil {
			got.Error = fmt.Sprintf("%s %s: %v", o.Do, o.Kind, err)
		}
		if err := answers.Encode(got); err != nil {
			return err
		}
	}
}

// pinned runs f on a thread of its own: its system calls block that thread and
// never go through the runtime's poller.
func pinned(f func() (outcome, error)) (got outcome, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		got, err = f()
	}()
	<-done
	return got, err
}

// peer is such a process, seen from outside.
type peer struct {
	name    string
	cmd     *exec.Cmd
	orders  io.WriteCloser
	encoder *json.Encoder
	answers *json.Decoder
}

// startPeer starts a peer in a namespace, on one CPU.
func startPeer(name string, s *space, cpu int) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, peerMode)
	// More than one P, so that a thread that blocks keeps its own; no
	// collection and no signal in the middle of a measurement.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=4", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.start(cmd, cpu); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return &peer{name, cmd, in, json.NewEncoder(in), json.NewDecoder(out)}, nil
}

// tell gives an order and waits for the outcome.
func (p *peer) tell(o order) (outcome, error) {
	var got outcome
	if err := p.encoder.Encode(o); err != nil {
		return got, fmt.Errorf("%s: %w", p.name, err)
	}
	if err := p.answers.Decode(&got); err != nil {
		return got, fmt.Errorf("%s: %s %s: it ended: %w", p.name, o.Do, o.Kind, err)
	}
	if got.Error != "" {
		return got, fmt.Errorf("%s: %s", p.name, got.Error)
	}
	return got, nil
}

// close ends the peer: it has nothing to do once its orders end.
func (p *peer) close() error {
	p.orders.Close()
	return p.cmd.Wait()
}
