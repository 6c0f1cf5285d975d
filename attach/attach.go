// SPDX-License-Identifier: Apache-2.0

// Package attach is the local interface by which hypervisors and container tools
// have a network interface enforced at a device that they made: what is said on the
// socket, and a client that says it (docs/attach.md). It knows neither the kernel nor
// the store and is all that such a tool needs to import.
package attach

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/internal/localhttp"
)

// DefaultSocket is where the socket of an installation is that was not told
// otherwise, AgentSocket that of the agent on a host of a server.
const (
	DefaultSocket = "/var/lib/hedgeward/attach.sock"
	AgentSocket   = "/var/lib/hedgeward-agent/attach.sock"
)

// DefaultWait is how long a request may wait for the kernel.
const DefaultWait = 30 * time.Second

// Request asks for an interface at a device.
type Request struct {
	Device string `json:"device"`
	MAC    string `json:"mac,omitempty"` // of the far end; "": it uses the interface's, or, with Own, its NIC's stands
	Own    bool   `json:"own,omitempty"` // the device is a NIC of the host itself
	// For says what is behind the device, such as a container or a machine, in words of
	// the caller's: at most 128 bytes of ASCII without white space. A claim that says so
	// can be taken up only by who says the same, or nothing.
	For string `json:"for,omitempty"`
	// Expect asks for a device that need not be there yet: the answer does not wait for
	// it, and it is enforced when it comes.
	Expect bool `json:"expect,omitempty"`

	// For an interface that is made for the device and goes with it. Subnet is its
	// subnet's id; Groups are ids or names of groups, the VPC's default group for none;
	// Addresses are those that it must have, free ones for none.
	Subnet      string   `json:"subnet,omitempty"`
	Groups      []string `json:"groups,omitempty"`
	Addresses   []string `json:"addresses,omitempty"`
	Description string   `json:"description,omitempty"`
}

// The states of an interface at a device.
const (
	Enforced = "enforced" // its packets are judged by its groups' rules
	Behind   = "behind"   // they are judged, but not as asked: by earlier rules, or the device has another name
	Closed   = "closed"   // nothing passes
	Absent   = "absent"   // there is no such device: it is enforced when it comes
	Failed   = "failed"   // there is one, and it is not judged; Detail says why
	Released = "released" // given up: the device is nobody's interface
)

// Interface is an interface that the host has claimed for a device.
type Interface struct {
	ENI       string   `json:"eni"`
	Device    string   `json:"device"`
	Own       bool     `json:"own,omitempty"`
	MAC       string   `json:"mac"` // that the far end must use
	Addresses []string `json:"addresses"`
	Groups    []string `json:"groups"`
	For       string   `json:"for,omitempty"`   // what is behind the device, if its claim said so
	Index     int      `json:"index,omitempty"` // of the device that is judged; 0 for none
	State     string   `json:"state"`
	Detail    string   `json:"detail,omitempty"`
	Revision  int64    `json:"revision"` // of the state of the server that it is judged by; 0 unless enforced
	Exposed   int      `json:"exposed"`  // how often such a device was up before it was enforced
}

// Error is an answer that says no.
type Error struct {
	Code    string `json:"code"` // docs/spec/ec2-api.md section 5.7, or one of those below
	Message string `json:"message"`
	// ENI is claimed all the same: the request failed after that. "" for none.
	ENI string `json:"eni,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// Codes that are not EC2's.
const (
	NoDevice    = "NoDevice"    // there is no such device, and it was not expected
	NotEnforced = "NotEnforced" // not in force in time; what was asked stays wanted
	NotClaimed  = "NotClaimed"  // this host has not claimed the interface
	BadRequest  = "BadRequest"
	Unavailable = "Unavailable" // the server that keeps the interfaces does not answer
)

// Is reports whether an error is an answer with a code.
func Is(err error, code string) bool {
	e := new(Error)
	return errors.As(err, &e) && e.Code == code
}

// Left returns the interface that a failed request has claimed all the same, "" for
// none. Who does not ask again detaches it.
func Left(err error) string {
	e := new(Error)
	if errors.As(err, &e) {
		return e.ENI
	}
	return ""
}

// Client speaks to the host's socket. The zero Client uses DefaultSocket and
// DefaultWait.
type Client struct {
	Socket string
	Wait   time.Duration
}

// Attach has an interface that exists enforced at a device, and returns when it is,
// or at once if the device is only expected. Asking again is asking once.
func (c *Client) Attach(ctx context.Context, eni string, r Request) (*Interface, error) {
	i := new(Interface)
	return i, c.call(ctx, "PUT", "/v1/interfaces/"+url.PathEscape(eni), r, i)
}

// AttachNew is Attach for an interface that is made for the device and goes with it.
func (c *Client) AttachNew(ctx context.Context, r Request) (*Interface, error) {
	i := new(Interface)
	return i, c.call(ctx, "POST", "/v1/interfaces", r, i)
}

// Detach gives an interface up and returns when the device is not judged any more.
// An interface that this host has not claimed is NotClaimed.
func (c *Client) Detach(ctx context.Context, eni string) error {
	return c.call(ctx, "DELETE", "/v1/interfaces/"+url.PathEscape(eni), nil, nil)
}

// List returns the interfaces that the host has claimed, by device.
func (c *Client) List(ctx context.Context) ([]Interface, error) {
	var all []Interface
	return all, c.call(ctx, "GET", "/v1/interfaces", nil, &all)
}

// At returns the interface at a device, nil for none.
func (c *Client) At(ctx context.Context, device string) (*Interface, error) {
	all, err := c.List(ctx)
	for n := range all {
		if all[n].Device == device && all[n].State != Released {
			return &all[n], err
		}
	}
	return nil, err
}

// Ready asks whether interfaces can be claimed and given up now, and returns nil if
// they can. That says nothing about those that are claimed: what is in force stays.
func (c *Client) Ready(ctx context.Context) error {
	return c.call(ctx, "GET", "/v1/status", nil, nil)
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	socket, wait := c.Socket, c.Wait
	if socket == "" {
		socket = DefaultSocket
	}
	if wait == 0 {
		wait = DefaultWait
	}
	ctx, cancel := context.WithTimeout(ctx, wait+5*time.Second)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://hedgeward"+path+"?wait="+strconv.FormatFloat(wait.Seconds(), 'f', -1, 64), body)
	if err != nil {
		return err
	}
	resp, err := localhttp.Do(socket, req)
	if errors.Is(err, localhttp.ErrNobody) {
		return fmt.Errorf("nobody enforces interfaces at %s; start hedgeward, or name its socket", socket)
	}
	if err != nil {
		return fmt.Errorf("ask at %s: %w", socket, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("ask at %s: %w", socket, err)
	}
	if resp.StatusCode/100 != 2 {
		refused := new(Error)
		if json.Unmarshal(answer, refused) != nil || refused.Code == "" {
			refused = &Error{Code: BadRequest, Message: strings.TrimSpace(string(answer))}
		}
		return refused
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("ask at %s: %w", socket, err)
	}
	return nil
}
