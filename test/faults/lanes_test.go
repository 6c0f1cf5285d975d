// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/testnet"
	"github.com/hedgeward/hedgeward/test/faults/lanes"
)

// startLanes sends numbered datagrams from every guest to every other, to a port that
// is open and to one that is shut.
func startLanes(t *testing.T, g *guests) *lanes.Lanes {
	t.Helper()
	ends := make([]lanes.Guest, len(g.spaces))
	for i, space := range g.spaces {
		ends[i] = lanes.Guest{Address: g.addresses[i], Run: space.Do}
	}
	l, err := lanes.Start(lanes.Config{
		Open: openPort, Shut: shutPort, Every: 20 * time.Millisecond,
		Failed: func(lane string, err error) { t.Errorf("%s: %v", lane, err) },
	}, ends)
	t.Cleanup(func() { l.Stop() })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// dialIn connects from a namespace and returns what became of that.
func dialIn(space *testnet.NS, to string) (err error) {
	space.Do(func() {
		var conn net.Conn
		if conn, err = net.DialTimeout("tcp4", to, time.Second); err == nil {
			conn.Close()
		}
	})
	if err != nil && os.IsTimeout(err) {
		return os.ErrDeadlineExceeded
	}
	return err
}
