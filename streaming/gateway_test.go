// SPDX-License-Identifier: Apache-2.0

package streaming

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/internal/localhttp"
	"github.com/hedgeward/hedgeward/secgroup"
)

const limit = 30 * time.Second

// play is a service that opens what is asked for and has users leave who are idle.
type play struct {
	address netip.Addr
	patient time.Duration

	mu      sync.Mutex
	left    []string
	watched []secgroup.Watched // as it was reported last
}

func (p *play) OpenStream(_ context.Context, parameters string, _ secgroup.Door) (*secgroup.Stream, error) {
	if parameters == "" {
		return nil, secgroup.Errorf("InvalidURL", "no URL of ours")
	}
	return &secgroup.Stream{Session: parameters, Instance: "i-1", Address: p.address, Protocol: "tcp", Ready: true}, nil
}

func (p *play) ReportStreams(_ context.Context, watched []secgroup.Watched, _ secgroup.Door) (leave []string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watched = watched
	for _, w := range watched {
		if w.Idle >= p.patient {
			leave = append(leave, w.Session)
		}
	}
	p.left = append(p.left, leave...)
	return leave, nil
}

func (p *play) ReportJoin(context.Context, string, string) error { return nil }

// opened is a gateway with a stream behind it, and the home of both.
func opened(t *testing.T, p *play) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	home := &Home{Dir: t.TempDir()}
	home.Socket = filepath.Join(home.Dir, "socket")
	l, err := localhttp.Listen(home.Socket)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	Handle(mux, func() Service { return p })
	g := newGateway(home, secgroup.Door{})
	users := httptest.NewServer(http.HandlerFunc(g.stream))
	var all sync.WaitGroup
	all.Go(func() { localhttp.Serve(ctx, "home", l, &http.Server{Handler: mux}) })
	all.Go(func() { serveFrames(ctx, net.JoinHostPort(p.address.String(), streamPort)) })
	all.Go(func() { g.report(ctx) })
	t.Cleanup(func() { cancel(); users.Close(); all.Wait() })
	return users.URL + "/authenticate?parameters="
}

// watch opens a session and returns a channel that is closed with its stream.
func watch(t *testing.T, url string, input io.Reader) (frames *bufio.Scanner) {
	t.Helper()
	method := http.MethodGet
	if input != nil {
		method = http.MethodPost
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, url, input)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("opening %s: %s", url, answer.Status)
	}
	return bufio.NewScanner(answer.Body)
}

// TestWhoSendsNothingIsIdle is docs/spec/appstream.md section 7: a user who only
// watches has to leave when the time is over; one who sends something stays, and
// frames come while he does.
func TestWhoSendsNothingIsIdle(t *testing.T) {
	p := &play{address: netip.MustParseAddr("127.83.0.1"), patient: 2 * time.Second}
	url := opened(t, p)
	input, typing := io.Pipe()
	t.Cleanup(func() { typing.Close() })
	busy := watch(t, url+"busy", input)
	idle := watch(t, url+"idle", nil)
	for idle.Scan() { // until the gateway ends it
		if _, err := io.WriteString(typing, "a key"); err != nil {
			t.Fatal(err)
		}
		if !busy.Scan() {
			t.Fatal("the stream of who sends something has ended")
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Contains(p.left, "idle") || slices.Contains(p.left, "busy") {
		t.Errorf("%q had to leave", p.left)
	}
}

func TestTheGatewayRefuses(t *testing.T) {
	url := opened(t, &play{address: netip.MustParseAddr("127.83.0.2"), patient: limit})
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusForbidden || string(text) != "no URL of ours\n" {
		t.Errorf("without a URL: %s %q, %v", answer.Status, text, err)
	}
}

// TestReportsOfOlderGateways: a gateway outlives the process that started it, and so
// meets newer ones.
func TestReportsOfOlderGateways(t *testing.T) {
	p, mux := &play{patient: limit}, http.NewServeMux()
	Handle(mux, func() Service { return p })
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/streams/report", strings.NewReader(`{"Connected":["s-1"],"Door":{"Endpoint":"","Address":""}}`)))
	if want := []secgroup.Watched{{Session: "s-1"}}; w.Code != http.StatusOK || !slices.Equal(p.watched, want) {
		t.Errorf("%d %s, heard %v", w.Code, w.Body, p.watched)
	}
}
