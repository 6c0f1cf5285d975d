// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/testnet"
)

// patience is how long a part of the installation may take to do what it must,
// on a machine that is busy with other tests.
const patience = 60 * time.Second

// wire is a switch that nodes hang on.
type wire struct {
	t      testing.TB
	ns     *testnet.NS
	nodes  int
	clocks bool // of the nodes to come, tests can set the wall clocks
}

func newWire(t testing.TB) *wire {
	w := &wire{t: t, ns: testnet.New(t)}
	w.ns.Bridge(t, "wire")
	return w
}

// node is a machine: a network namespace, an address on the wire, and at most one
// process.
type node struct {
	t       testing.TB
	name    string
	ns      *testnet.NS
	address string
	wire    *wire
	port    string   // of the wire's switch
	dir     string   // the node's disk
	bin     string   // folder of our programs that it has installed
	disk    string   // folder that is a disk of its own; "": none is
	caps    []string // of its processes; nil: all
	clock   string   // file that says how far its wall clock is off; "": it is the machine's

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan error
	out  *os.File // what its processes print
}

// node adds a machine to the wire.
func (w *wire) node(name string) *node {
	w.t.Helper()
	w.nodes++
	n := &node{
		t: w.t, name: name, ns: testnet.New(w.t), wire: w, address: fmt.Sprintf("10.77.0.%d", 9+w.nodes),
		port: "p-" + name, dir: filepath.Join(w.t.TempDir(), name), bin: bin,
	}
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	testnet.Pair(w.t, testnet.End{NS: w.ns, Name: n.port}, testnet.End{NS: n.ns, Name: "wire", Addresses: []string{n.address + "/24"}})
	if err := w.ns.Link.LinkSetMaster(w.ns.Device(w.t, n.port), w.ns.Device(w.t, "wire")); err != nil {
		w.t.Fatalf("plug %s in: %v", name, err)
	}
	if w.clocks {
		n.clock = filepath.Join(n.dir, "clock")
		n.step(0)
	}
	out, err := os.Create(filepath.Join(n.dir, "output"))
	if err != nil {
		w.t.Fatal(err)
	}
	n.out = out
	w.t.Cleanup(func() {
		n.stop(syscall.SIGKILL)
		if w.t.Failed() {
			w.t.Logf("the last that %s said:\n%s", name, n.said(4<<10))
		}
		out.Close()
	})
	return n
}

// said returns the end of what the node's processes printed.
func (n *node) said(most int64) string {
	info, err := n.out.Stat()
	if err != nil {
		return err.Error()
	}
	from := max(0, info.Size()-most)
	text, _ := io.ReadAll(io.NewSectionReader(n.out, from, most))
	return string(text)
}

// launch runs a program on the node and waits until it has printed ready, a part
// of a line.
func (n *node) launch(ready, program string, args ...string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		return fmt.Errorf("%s runs already", n.name)
	}
	from, err := n.out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if n.clock != "" {
		program, args = filepath.Join(bin, "stepclock"), append([]string{n.clock, program}, args...)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = n.out, n.out
	start := n.ns.Start
	if n.caps != nil {
		start = func(cmd *exec.Cmd) error { return n.startWith(cmd, n.caps) }
	}
	if err := start(cmd); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	n.cmd, n.done = cmd, done
	if ready == "" {
		return nil
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for {
		if text, _ := io.ReadAll(io.NewSectionReader(n.out, from, 1<<20)); strings.Contains(string(text), ready) {
			return nil
		}
		select {
		case err := <-done:
			n.cmd = nil
			return fmt.Errorf("%s ended: %w\n%s", n.name, err, n.said(4<<10))
		case <-late:
			return fmt.Errorf("%s does not say %q within %s:\n%s", n.name, ready, patience, n.said(4<<10))
		case <-tick.C:
		}
	}
}

// run runs a program of ours on the node to its end.
func (n *node) run(program string, args ...string) string {
	n.t.Helper()
	cmd := exec.Command(filepath.Join(n.bin, program), args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	err := n.ns.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		n.t.Fatalf("%s %s on %s: %v\n%s", program, strings.Join(args, " "), n.name, err, said.String())
	}
	return said.String()
}

// stop ends the node's process, if it runs, and waits until it has gone.
func (n *node) stop(sig syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return
	}
	n.cmd.Process.Signal(syscall.SIGCONT)
	n.cmd.Process.Signal(sig)
	select {
	case <-n.done:
	case <-time.After(patience):
		n.t.Errorf("%s is still there %s after %s", n.name, patience, sig)
		n.cmd.Process.Kill()
		<-n.done
	}
	n.cmd = nil
}

// signal sends a signal to the node's process, if it runs.
func (n *node) signal(sig syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd != nil {
		n.cmd.Process.Signal(sig)
	}
}

// unplug cuts the node off the wire; plug gives it back.
func (n *node) unplug() { n.link(false) }
func (n *node) plug()   { n.link(true) }

func (n *node) link(up bool) {
	set := n.wire.ns.Link.LinkSetDown
	if up {
		set = n.wire.ns.Link.LinkSetUp
	}
	link, err := n.wire.ns.Link.LinkByName(n.port)
	if err == nil {
		err = set(link)
	}
	if err != nil {
		n.t.Errorf("the wire of %s: %v", n.name, err)
	}
}

// lossy makes the wire forget that many of 100 packets to and from the node; 0
// mends it.
func (n *node) lossy(percent int) {
	n.nft("delete table netdev lossy", true)
	if percent == 0 {
		return
	}
	n.nft(fmt.Sprintf("table netdev lossy {\n chain in { type filter hook ingress device %q priority 0; numgen random mod 100 < %d drop; }\n"+
		" chain out { type filter hook egress device %q priority 0; numgen random mod 100 < %d drop; }\n}", n.port, percent, n.port, percent), false)
}

func (n *node) nft(text string, mayFail bool) {
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(text)
	var said strings.Builder
	cmd.Stderr = &said
	err := n.wire.ns.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil && !mayFail {
		n.t.Errorf("nft for %s: %v: %s", n.name, err, said.String())
	}
}

// dial opens connections from the node, for clients that this process runs.
func (n *node) dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	n.ns.Do(func() { conn, err = (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, network, address) })
	return conn, err
}

// eventually waits until check holds, and fails the test with its error if it
// does not within patience.
func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	err := check()
	for err != nil {
		select {
		case <-tick.C:
			err = check()
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, errors.Join(err, fmt.Errorf("for %s", patience)))
		}
	}
}
