// SPDX-License-Identifier: Apache-2.0

// Package local answers what package attach asks, on the host that enforces: it
// claims interfaces, waits for the agent and says what became of them. It decides
// nothing: what may be claimed is its Claims' to say, what is in force its Host's.
package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/attach"
	"github.com/hedgeward/hedgeward/instance"
	"github.com/hedgeward/hedgeward/secgroup"
)

// Device is what an interface is claimed for.
type Device struct {
	Name string
	MAC  net.HardwareAddr // nil: the interface's own stands
	Own  bool
	For  string // what is behind it, in the words of who asks
}

// New is an interface that is made with its claim.
type New struct {
	Subnet      string
	Groups      []string
	Addresses   []netip.Addr
	Description string
}

// Claims keeps who has claimed what, for this host (package control, or the server
// that an agent speaks to). Refusals are *secgroup.Error.
type Claims interface {
	Claim(ctx context.Context, eni string, d Device) error
	ClaimNew(ctx context.Context, spec New, d Device) (eni string, err error)
	// Release gives an interface up. It reports whether this host still has to take it
	// off its device.
	Release(ctx context.Context, eni string) (pending bool, err error)
	ReportReleased(ctx context.Context, eni string) error
}

// Host enforces (*agent.Agent).
type Host interface {
	Claims() (all []agent.ClaimStatus, changed <-chan struct{})
	Look(device string)
	Forget(ctx context.Context, eni string) (bool, error)
}

// Server answers on one host.
type Server struct {
	claims  Claims
	host    Host
	ready   func(context.Context) error
	devices interface {
		Find(name string) (instance.Device, error)
	}
	log *slog.Logger
}

// NewServer returns a Server. It starts nothing. ready says why claims cannot be taken
// now, nil if they can.
func NewServer(c Claims, h Host, ready func(context.Context) error, log *slog.Logger) *Server {
	return &Server{claims: c, host: h, ready: ready, devices: instance.Devices{}, log: log}
}

// Run reports what the host has given back, also what an earlier process was asked
// to give back, until ctx ends; it returns the cause.
func (s *Server) Run(ctx context.Context) error {
	for {
		all, changed := s.host.Claims()
		again := make(<-chan time.Time)
		for _, c := range all {
			if c.State != agent.ClaimReleased {
				continue
			}
			if err := s.claims.ReportReleased(ctx, c.Interface); err != nil {
				s.log.Warn("cannot report that an interface is given back; trying again", "interface", c.Interface, "error", err)
				again = time.After(time.Second)
			}
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Handler returns what answers requests (docs/attach.md).
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	serve := func(pattern string, do func(context.Context, *http.Request, attach.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, do) })
	}
	serve("PUT /v1/interfaces/{eni}", func(ctx context.Context, r *http.Request, in attach.Request) (any, error) {
		d, err := s.device(in)
		if err != nil {
			return nil, err
		}
		eni := r.PathValue("eni")
		if err := s.claims.Claim(ctx, eni, d); err != nil {
			return nil, err
		}
		return s.await(ctx, eni, d, in.Expect)
	})
	serve("POST /v1/interfaces", func(ctx context.Context, _ *http.Request, in attach.Request) (any, error) {
		d, err := s.device(in)
		if err != nil {
			return nil, err
		}
		spec := New{Subnet: in.Subnet, Groups: in.Groups, Description: in.Description}
		for _, text := range in.Addresses {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, &attach.Error{Code: attach.BadRequest, Message: fmt.Sprintf("%q is no address", text)}
			}
			spec.Addresses = append(spec.Addresses, a)
		}
		eni, err := s.claims.ClaimNew(ctx, spec, d)
		if err != nil {
			return nil, err
		}
		return s.await(ctx, eni, d, in.Expect)
	})
	serve("DELETE /v1/interfaces/{eni}", func(ctx context.Context, r *http.Request, _ attach.Request) (any, error) {
		return struct{}{}, s.detach(ctx, r.PathValue("eni"))
	})
	serve("GET /v1/status", func(ctx context.Context, _ *http.Request, _ attach.Request) (any, error) {
		return struct{}{}, s.ready(ctx)
	})
	serve("GET /v1/interfaces", func(context.Context, *http.Request, attach.Request) (any, error) {
		all, _ := s.host.Claims()
		out := make([]attach.Interface, len(all))
		for n, c := range all {
			out[n] = shown(c)
		}
		return out, nil
	})
	serve("GET /v1/interfaces/{eni}", func(_ context.Context, r *http.Request, _ attach.Request) (any, error) {
		c, _ := s.find(r.PathValue("eni"))
		if c == nil {
			return nil, notClaimed(r.PathValue("eni"))
		}
		return shown(*c), nil
	})
	return mux
}

// serve answers one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, do func(context.Context, *http.Request, attach.Request) (any, error)) {
	wait := attach.DefaultWait
	if text := r.URL.Query().Get("wait"); text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds >= 0 && seconds <= 3600) {
			refuse(w, &attach.Error{Code: attach.BadRequest, Message: fmt.Sprintf("wait=%q is no number of seconds up to 3600", text)})
			return
		}
		wait = time.Duration(seconds * float64(time.Second))
	}
	var in attach.Request
	if r.Method == "PUT" || r.Method == "POST" {
		body := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
		body.DisallowUnknownFields() // who asks for more than we know must not believe to have it
		if err := body.Decode(&in); err != nil {
			refuse(w, &attach.Error{Code: attach.BadRequest, Message: "the request is no JSON object of the documented members: " + err.Error()})
			return
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	out, err := do(ctx, r, in)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}

// refuse answers an error with its code, and with a status for people.
func refuse(w http.ResponseWriter, err error) {
	out, refused := new(attach.Error), new(secgroup.Error)
	switch {
	case errors.As(err, &out):
	case errors.As(err, &refused):
		out = &attach.Error{Code: refused.Code, Message: refused.Message}
	default:
		out = &attach.Error{Code: attach.Unavailable, Message: err.Error()}
	}
	status := http.StatusConflict
	switch out.Code {
	case attach.BadRequest, "InvalidParameterValue":
		status = http.StatusBadRequest
	case attach.NoDevice, attach.NotClaimed, "InvalidNetworkInterfaceID.NotFound", "InvalidSubnetID.NotFound", "InvalidSecurityGroupID.NotFound":
		status = http.StatusNotFound
	case attach.NotEnforced:
		status = http.StatusGatewayTimeout
	case attach.Unavailable:
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(out)
}

// device checks what an interface is asked for.
func (s *Server) device(in attach.Request) (d Device, err error) {
	d = Device{Name: in.Device, Own: in.Own, For: in.For}
	if in.MAC != "" {
		if d.MAC, err = net.ParseMAC(in.MAC); err != nil {
			return d, &attach.Error{Code: attach.BadRequest, Message: fmt.Sprintf("%q is no MAC address", in.MAC)}
		}
	}
	if in.Expect {
		return d, nil
	}
	found, err := s.devices.Find(in.Device)
	if in.Own && d.MAC == nil {
		d.MAC = found.MAC // the host itself is the far end
	}
	if errors.Is(err, instance.ErrNoDevice) {
		err = &attach.Error{Code: attach.NoDevice, Message: fmt.Sprintf("this host has no device %q; make it first, or say that it is expected", in.Device)}
	} else if err != nil {
		err = &attach.Error{Code: attach.BadRequest, Message: err.Error()}
	}
	return d, err
}

// find returns how far an interface got, nil if it is not claimed here.
func (s *Server) find(eni string) (*agent.ClaimStatus, <-chan struct{}) {
	all, changed := s.host.Claims()
	for n := range all {
		if all[n].Interface == eni {
			return &all[n], changed
		}
	}
	return nil, changed
}

// await returns when a claimed interface is enforced at the device that is there
// now, or, if that is only expected, when the host knows of the claim.
func (s *Server) await(ctx context.Context, eni string, d Device, expected bool) (any, error) {
	s.host.Look(d.Name) // it may have come this moment
	for {
		now, changed := s.find(eni)
		if now != nil && now.Device == d.Name && (d.MAC == nil || now.MAC == d.MAC.String()) {
			there, err := s.devices.Find(d.Name)
			switch {
			case now.State == agent.ClaimEnforced && err == nil && there.Index == now.Index:
				return shown(*now), nil
			case now.State == agent.ClaimAbsent && expected:
				return shown(*now), nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			state, detail := "unknown", "the host has not heard of it"
			if now != nil {
				state, detail = string(now.State), now.Detail
			}
			return nil, &attach.Error{
				Code: attach.NotEnforced,
				ENI:  eni,
				Message: fmt.Sprintf("%s at %s is not enforced yet but %s (%s); it stays claimed: ask again, or detach it",
					eni, d.Name, state, detail),
			}
		}
	}
}

// detach gives an interface up and returns when its device is not judged any more.
func (s *Server) detach(ctx context.Context, eni string) error {
	claimed := false
	for {
		pending, err := s.claims.Release(ctx, eni)
		refused := new(secgroup.Error)
		if err != nil && !(errors.As(err, &refused) && refused.Code == "InvalidNetworkInterfaceID.NotFound") {
			return err
		}
		now, changed := s.find(eni)
		if claimed = claimed || pending; !pending {
			forgotten, err := s.host.Forget(ctx, eni) // what was closed because nobody claims it any more
			if err == nil && !forgotten && !claimed {
				err = notClaimed(eni)
			}
			return err
		}
		state, detail := agent.ClaimState("unknown"), "the host has not heard of it"
		if now != nil {
			state, detail = now.State, now.Detail
		}
		if state == agent.ClaimReleased {
			return s.claims.ReportReleased(ctx, eni)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &attach.Error{Code: attach.NotEnforced, Message: fmt.Sprintf("%s is given up but still %s (%s); ask again", eni, state, detail)}
		}
	}
}

func notClaimed(eni string) error {
	return &attach.Error{Code: attach.NotClaimed, Message: fmt.Sprintf("this host has not claimed %s; ask it what it has claimed", eni)}
}

func shown(c agent.ClaimStatus) attach.Interface {
	return attach.Interface{
		ENI: c.Interface, Device: c.Device, Own: c.Own, MAC: c.MAC, Addresses: c.Addresses, Groups: c.Groups, For: c.For, Index: c.Index,
		State: string(c.State), Detail: c.Detail, Revision: c.Revision, Exposed: c.Exposed,
	}
}
