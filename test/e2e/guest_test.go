// SPDX-License-Identifier: Apache-2.0

package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/test/rig"
)

// A probe that must succeed has long, because machines are slow; one that must
// fail has only a little longer than the second after which TCP sends a lost SYN
// again.
const (
	patience = 20 * time.Second
	glance   = 1200 * time.Millisecond
)

// guest is an instance with a probe in it, started by `hedgeward exec`.
type guest struct {
	id  string
	ip  string // primary IPv4 address
	ip6 string // IPv6 address, "" without one
	eni string // primary interface

	mu      sync.Mutex
	say     *json.Encoder
	orders  int
	waiting map[int]chan answer
	gone    chan struct{} // closed when the probe has ended
}

// enter starts a probe in an instance, which ends with the test.
func (g *guest) enter(t *testing.T) {
	t.Helper()
	g.probe(t, exec.Command(rig.Program(), "exec", g.id, "--", self))
}

// probe starts the probe by a command.
func (g *guest) probe(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	g.mu.Lock()
	g.say, g.waiting, g.gone = json.NewEncoder(stdin), map[int]chan answer{}, gone
	waiting := g.waiting
	g.mu.Unlock()
	go func() {
		defer close(gone)
		answers := json.NewDecoder(stdout)
		for {
			var a answer
			if err := answers.Decode(&a); err != nil {
				io.Copy(io.Discard, stdout)
				cmd.Wait() // the status says nothing: an instance that stops kills its programs
				return
			}
			g.mu.Lock()
			c := waiting[a.Number]
			delete(waiting, a.Number)
			g.mu.Unlock()
			c <- a
		}
	}()
	t.Cleanup(func() {
		stdin.Close()
		select {
		case <-gone:
		case <-time.After(patience):
			cmd.Process.Kill()
			<-gone
		}
	})
}

// order has the probe do something and returns the outcome and the number under
// which it keeps what it opened.
func (g *guest) order(o order) (string, int, error) {
	a, err := g.ask(o)
	return a.Outcome, a.Number, err
}

// ask is order with everything that the probe answers.
func (g *guest) ask(o order) (answer, error) {
	c := make(chan answer, 1)
	g.mu.Lock()
	g.orders++
	o.Number = g.orders
	g.waiting[o.Number] = c
	gone := g.gone
	err := g.say.Encode(o)
	g.mu.Unlock()
	if err != nil {
		return answer{}, fmt.Errorf("probe in %s: %w", g.id, err)
	}
	select {
	case a := <-c:
		if a.Error != "" {
			return answer{}, fmt.Errorf("probe in %s: %s %s %s: %s", g.id, o.Do, o.Network, o.Address, a.Error)
		}
		return a, nil
	case <-gone:
		return answer{}, fmt.Errorf("the probe in %s has ended", g.id)
	}
}

// listen has the guest send back what comes to TCP and UDP ports, on every
// address, and returns the UDP listeners.
func (g *guest) listen(t *testing.T, ports ...int) map[int]int {
	t.Helper()
	heard := map[int]int{}
	for _, port := range ports {
		for _, network := range []string{"tcp", "udp"} {
			_, n, err := g.order(order{Do: "listen", Network: network, Address: ":" + strconv.Itoa(port)})
			if err != nil {
				t.Fatal(err)
			}
			heard[port] = n
		}
	}
	return heard
}

// probe is one thing to be tried and what must come of it.
type probe struct {
	what  string
	from  *guest
	order order
	want  string
}

// connects expects that a connection can be made.
func connects(from *guest, network, ip string, port int) probe {
	return probe{from: from, order: order{Do: "dial", Network: network, Address: net.JoinHostPort(ip, strconv.Itoa(port))}, want: open}
}

// dropped expects the opposite of what another probe expects.
func dropped(p probe) probe {
	p.want = shut
	return p
}

// pings expects an answer to an echo request.
func pings(from *guest, ip string, id int) probe {
	return probe{from: from, order: order{Do: "ping", Address: ip, ID: id}, want: open}
}

// check tries probes side by side.
func check(t *testing.T, when string, probes ...probe) {
	t.Helper()
	var wg sync.WaitGroup
	for _, p := range probes {
		if p.order.Wait = patience; p.want == shut {
			p.order.Wait = glance
		}
		wg.Go(func() {
			got, _, err := p.from.order(p.order)
			switch {
			case err != nil:
				t.Errorf("%s: %v", when, err)
			case got != p.want:
				t.Errorf("%s: %s from %s: %s %s %s local %q is %s, want %s", when, p.what, p.from.ip, p.order.Do, p.order.Network, p.order.Address, p.order.Local, got, p.want)
			}
		})
	}
	wg.Wait()
}

// talk opens a connection that stays, from a local port or any.
func talk(t *testing.T, from *guest, network, ip string, port int, local string) *connection {
	t.Helper()
	c := &connection{from: from, what: fmt.Sprintf("%s from %s to %s port %d", network, from.ip, ip, port)}
	o := order{Do: "dial", Network: network, Address: net.JoinHostPort(ip, strconv.Itoa(port)), Local: local, Wait: patience}
	got, n, err := from.order(o)
	if err != nil || got != open {
		t.Fatalf("open a connection: %s: %s %v", c.what, got, err)
	}
	c.number = n
	return c
}

// connection is one that stays open inside a guest.
type connection struct {
	from   *guest
	number int
	what   string
}

// goesOn expects that the connection still carries data both ways.
func (c *connection) goesOn() probe {
	return probe{what: c.what, from: c.from, order: order{Do: "exchange", Socket: c.number}, want: open}
}
