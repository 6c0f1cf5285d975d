// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/hedgeward/hedgeward/feed"
	"github.com/hedgeward/hedgeward/internal/clock"
	"github.com/hedgeward/hedgeward/secgroup"
	pb "github.com/hedgeward/hedgeward/stream/streampb"
)

// Agent does what a host is told (package agent).
type Agent interface {
	// Apply returns when the kernel judges by the delta.
	Apply(*feed.Delta)
	// Behind returns the interfaces that are judged by an older revision than
	// the last delta's, 0 for those that nothing judges yet, and a channel that
	// is closed when that may have changed.
	Behind() (map[string]int64, <-chan struct{})
}

// ClientConfig is what a client works with. Fields without a default must be set.
type ClientConfig struct {
	Host    string
	Servers func() []string // addresses, host:port; asked before every attempt
	// Dial opens a TLS connection that proves who the host is and has made sure
	// of the server; it must have agreed on HTTP/2.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	File string // keeps what was told; empty: nothing is kept
	Log  *slog.Logger

	// Renewed returns a channel that is closed when Dial has something newer to prove
	// who the host is: the stream is then made anew, since a server drops it when what
	// it began with expires. nil: that never happens.
	Renewed func() <-chan struct{}

	// Explain returns what a server says of why it refused this host, or the error
	// that it is given. A refused handshake gives no reason by itself. nil: nobody
	// is asked.
	Explain func(context.Context, error) error

	Version  string        // for people
	Clock    clock.Clock   // of the pauses between attempts; the machine's
	Pause    time.Duration // after a first failure at most; it doubles up to MaxPause; 100ms
	MaxPause time.Duration // 10s
	Silent   time.Duration // after so long the server is asked whether it lives; 10s
	Answer   time.Duration // how long it may take to say so; 5s
}

// Client follows the servers on one host.
type Client struct {
	cfg ClientConfig

	// Of Load and Run, which have one caller.
	held    feed.State
	epoch   string
	journal journal

	mu     sync.Mutex
	http   *http.Transport
	server string // connected to; empty: to none
	status Status
}

// Status is how a client is doing. Its form is part of what `hedgeward-agent
// status` prints.
type Status struct {
	Server   string    `json:"server,omitempty"` // empty: connected to none
	Since    time.Time `json:"since"`            // of being connected, or not
	Revision int64     `json:"revision"`         // of what the host was told; 0: nothing
	Kept     bool      `json:"kept"`             // on disk, so that the host can start without a server
	Error    string    `json:"error,omitempty"`  // why it is not connected

	Connections uint64        `json:"connections"` // servers that were followed since the agent began
	Journal     JournalStatus `json:"journal"`
}

// JournalStatus is how a client keeps what it is told.
type JournalStatus struct {
	Writes uint64 `json:"writes"` // deltas kept since the agent began
	Errors uint64 `json:"errors"` // deltas that could not be kept
	Bytes  int64  `json:"bytes"`  // of the file; 0: there is none
}

// NewClient returns a client that follows nobody yet.
func NewClient(cfg ClientConfig) *Client {
	cfg.Pause = cmp.Or(cfg.Pause, 100*time.Millisecond)
	cfg.MaxPause = cmp.Or(cfg.MaxPause, 10*time.Second)
	cfg.Silent = cmp.Or(cfg.Silent, 10*time.Second)
	cfg.Answer = cmp.Or(cfg.Answer, 5*time.Second)
	if cfg.Clock == nil {
		cfg.Clock = clock.Real{}
	}
	c := &Client{cfg: cfg, journal: journal{path: cfg.File, host: cfg.Host}}
	c.http = c.transport()
	c.status.Since = cfg.Clock.Now()
	return c
}

// transport returns what makes connections anew.
func (c *Client) transport() *http.Transport {
	var only http.Protocols
	only.SetHTTP2(true)
	return &http.Transport{
		Protocols: &only, DialTLSContext: c.dial, HTTP2: Alive(c.cfg.Silent, c.cfg.Answer),
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13}, DisableCompression: true,
		IdleConnTimeout: time.Minute,
	}
}

// redial has everything that is said from now on go over a new connection. The old one
// ends once the calls on it have.
func (c *Client) redial() {
	c.mu.Lock()
	old := c.http
	c.http = c.transport()
	c.mu.Unlock()
	old.CloseIdleConnections()
}

// dial gives up on a server that accepts a connection and says nothing.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.Silent, errSilent)
	defer cancel()
	return c.cfg.Dial(ctx, network, address)
}

// errSilent reports that a server does not answer.
var errSilent = errors.New("the server does not answer")

// Load has the agent do what was kept on disk, so that a host starts without a
// server. Without anything kept it does nothing: what an earlier agent left in
// force stays. It reports whether there was something.
//
// What cannot be believed is moved aside and is no error: the host goes on as if
// nothing had been kept. An error says that what is kept cannot be read, or is
// another host's.
func (c *Client) Load(a Agent) (bool, error) {
	held, epoch, err := c.journal.load()
	if errors.Is(err, errCorrupt) {
		c.cfg.Log.Error("what was kept cannot be believed; what is in force stays until a server is reached", "error", err)
		return false, nil
	}
	if err != nil || held.Revision == 0 {
		return false, err
	}
	c.held, c.epoch = *held, epoch
	a.Apply(held.Delta())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Revision, c.status.Kept, c.status.Journal.Bytes = held.Revision, true, c.journal.size
	c.cfg.Log.Info("started from what was kept", "revision", held.Revision, "objects", held.Len())
	return true, nil
}

// Run follows one server after the other until ctx ends, and returns its cause.
func (c *Client) Run(ctx context.Context, a Agent) error {
	defer c.redial()
	defer c.journal.drop()
	pause := c.cfg.Pause
	var renewed <-chan struct{}
	for at := rand.Int(); ; at++ { // so that the hosts do not all begin with the same server
		servers := c.cfg.Servers()
		err := errors.New("no server is known: join this host again")
		if len(servers) > 0 {
			server := servers[at%len(servers)]
			if c.cfg.Renewed != nil {
				if now := c.cfg.Renewed(); now != renewed {
					renewed = now
					c.redial()
				}
			}
			var followed bool
			if followed, err = c.follow(ctx, a, server, renewed); followed {
				pause = c.cfg.Pause
			}
			if errors.Is(err, errRenewed) && ctx.Err() == nil {
				c.cfg.Log.Info("coming back with the renewed certificate", "server", server)
				at-- // the same server, at once
				continue
			}
			if c.cfg.Explain != nil && turnedAway(err) && ctx.Err() == nil {
				err = c.cfg.Explain(ctx, err)
			}
			err = fmt.Errorf("server %s: %w", server, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		c.disconnected(err)
		// Full jitter: hosts that lost one server together do not come together.
		select {
		case <-c.cfg.Clock.After(rand.N(pause)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		pause = min(2*pause, c.cfg.MaxPause)
	}
}

// turnedAway reports whether a server answered and wants nothing of this host.
func turnedAway(err error) bool {
	var alert *net.OpError
	if errors.As(err, &alert) && alert.Op == "remote error" { // as crypto/tls calls it
		return true
	}
	code := connect.CodeOf(err)
	return code == connect.CodeUnauthenticated || code == connect.CodePermissionDenied
}

func (c *Client) connected(server string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = server
	c.status.Server, c.status.Since, c.status.Error = server, c.cfg.Clock.Now(), ""
	c.status.Connections++
	c.cfg.Log.Info("following", "server", server)
}

func (c *Client) disconnected(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status.Server != "" {
		c.status.Since = c.cfg.Clock.Now()
	}
	if text := err.Error(); text != c.status.Error {
		c.cfg.Log.Warn("not connected; what is in force stays", "error", err)
		c.status.Error = text
	}
	c.server, c.status.Server = "", ""
}

// Status says how the client is doing.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// errRenewed ends a stream that is to go on with a newer certificate.
var errRenewed = errors.New("the certificate of this host was renewed")

// errAlone reports that no server is connected.
var errAlone = errors.New("no server is connected")

// Report tells the server what became of an instance; detail says why.
func (c *Client) Report(ctx context.Context, instance string, observed secgroup.InstanceState, detail string) error {
	m := &pb.Report{Instance: instance, Observed: string(observed), Detail: detail[:min(len(detail), maxDetail)]}
	if _, err := call[pb.Report, pb.Reported](ctx, c, reportPath, m); err != nil {
		return fmt.Errorf("report %s: %w", instance, err)
	}
	return nil
}

// call asks the server that is connected.
func call[In, Out any](ctx context.Context, c *Client, path string, in *In) (*Out, error) {
	c.mu.Lock()
	server := c.server
	c.mu.Unlock()
	if server == "" {
		return nil, errAlone
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Silent+c.cfg.Answer)
	defer cancel()
	out, err := connect.NewClient[In, Out](c.client(), "https://"+server+path, c.options()...).CallUnary(ctx, connect.NewRequest(in))
	if err != nil {
		return nil, err
	}
	return out.Msg, nil
}

func (c *Client) client() *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &http.Client{Transport: c.http}
}

func (c *Client) options() []connect.ClientOption {
	return []connect.ClientOption{connect.WithReadMaxBytes(maxToHost), connect.WithAcceptCompression("gzip", nil, nil)}
}
