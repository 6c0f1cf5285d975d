// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/join"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/stream"
)

// hostOrder is one command about hosts on its way through the control socket.
// Which fields count is up to the verb.
type hostOrder struct {
	Verb   string // "token create"
	Name   string // of the host, token or authority
	Life   time.Duration
	Rejoin bool
	Lost   bool
}

// shownHost is a host as operators see it.
type shownHost struct {
	Name  string `json:"name"`
	State string `json:"state"` // hostConnected, hostAway or hostDisabled; none: it is no host
	// Since is since when it is connected, or not; zero: not since the servers began.
	Since      time.Time        `json:"since,omitzero"`
	Revision   int64            `json:"revision"`         // in force there; 0: not known
	Interfaces int              `json:"interfaces"`       // that are to be in force there
	Behind     map[string]int64 `json:"behind,omitempty"` // those that an older revision judges, 0: none does
	Underlay   netip.Addr       `json:"underlay,omitzero"`
	Joined     time.Time        `json:"joined,omitzero"`
	Renewed    time.Time        `json:"renewed,omitzero"`
	Expires    time.Time        `json:"expires,omitzero"` // its certificate
	Authority  string           `json:"authority,omitempty"`
	Instances  []shownInstance  `json:"instances"`
}

// The states of a host.
const (
	hostConnected = "connected" // to any server
	hostAway      = "away"
	hostDisabled  = "disabled"
)

func hostState(h *secgroup.Host, present control.Presence) string {
	switch {
	case h.Disabled:
		return hostDisabled
	case present.Connected(h.Name):
		return hostConnected
	}
	return hostAway
}

// shownInstance is an instance on a host.
type shownInstance struct {
	ID         string                 `json:"id"`
	Account    string                 `json:"account"`
	State      secgroup.InstanceState `json:"state"`
	Interfaces []shownInterface       `json:"interfaces"`
}

type shownInterface struct {
	ID        string       `json:"id"`
	Addresses []netip.Addr `json:"addresses"`
}

// shownToken is a token without its secret.
type shownToken struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Rejoin  bool      `json:"rejoin"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// shownAuthority is an authority without its key.
type shownAuthority struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	Hosts   int       `json:"hosts"` // whose newest certificate it signed
}

// Hosts implements operator.
func (in *installation) Hosts() (*join.Server, control.Presence, error) {
	if in.remote == nil {
		return nil, nil, errNoRemoteHosts
	}
	return in.remote.join, &in.remote.present, nil
}

// hostVerbs are what a server does for each verb.
var hostVerbs = map[string]func(context.Context, *control.Service, *join.Server, hostOrder) (any, error){
	"token create": func(ctx context.Context, _ *control.Service, j *join.Server, o hostOrder) (any, error) {
		t, err := j.CreateToken(ctx, join.TokenSpec{Name: o.Name, Rejoin: o.Rejoin, Life: o.Life})
		return t.String(), err
	},
	"token list": func(_ context.Context, c *control.Service, _ *join.Server, _ hostOrder) (any, error) {
		shown := []shownToken{}
		for _, t := range c.JoinTokens() {
			shown = append(shown, shownToken{t.ID, t.Name, t.Rejoin, t.Created, t.Expires})
		}
		return shown, nil
	},
	"token delete": func(ctx context.Context, c *control.Service, _ *join.Server, o hostOrder) (any, error) {
		return nil, c.DeleteJoinToken(ctx, o.Name)
	},
	"disable": func(ctx context.Context, c *control.Service, _ *join.Server, o hostOrder) (any, error) {
		return nil, c.SetHostDisabled(ctx, o.Name, true)
	},
	"enable": func(ctx context.Context, c *control.Service, _ *join.Server, o hostOrder) (any, error) {
		return nil, c.SetHostDisabled(ctx, o.Name, false)
	},
	"remove": func(ctx context.Context, c *control.Service, _ *join.Server, o hostOrder) (any, error) {
		return nil, c.RemoveHost(ctx, o.Name, control.Lost(o.Lost))
	},
	"authority list": func(_ context.Context, c *control.Service, _ *join.Server, _ hostOrder) (any, error) {
		signed := map[string]int{}
		for _, h := range c.Hosts() {
			signed[h.Authority]++
		}
		shown := []shownAuthority{}
		for a := range c.Read().Authorities.All() {
			shown = append(shown, shownAuthority{a.ID, a.Created, signed[a.ID]})
		}
		slices.SortFunc(shown, func(a, b shownAuthority) int { return a.Created.Compare(b.Created) })
		return shown, nil
	},
	"authority rotate": func(ctx context.Context, c *control.Service, j *join.Server, _ hostOrder) (any, error) {
		return nil, c.AddAuthority(ctx, j.NewAuthority)
	},
	"authority retire": func(ctx context.Context, c *control.Service, _ *join.Server, o hostOrder) (any, error) {
		return nil, c.RetireAuthority(ctx, o.Name)
	},
}

// listHosts returns every host with what is on it, and under "" what is on none:
// stopped instances whose host was removed.
func listHosts(c *control.Service, present control.Presence, inForce func(string) stream.Enforced) []shownHost {
	snap := c.Read()
	if present == nil {
		return []shownHost{{Name: host, State: hostConnected, Instances: instancesOn(snap, host)}}
	}
	shown := []shownHost{}
	enforces := map[string]int{}
	for i := range snap.Interfaces.All() {
		enforces[control.HostOf(snap, i)]++
	}
	for h := range snap.Hosts.All() {
		e := inForce(h.Name)
		shown = append(shown, shownHost{
			Name: h.Name, State: hostState(h, present), Since: e.Since, Revision: e.Revision, Interfaces: enforces[h.Name], Behind: e.Behind,
			Underlay: h.Underlay, Joined: h.Joined, Renewed: h.Renewed, Expires: h.Expires, Authority: h.Authority, Instances: instancesOn(snap, h.Name),
		})
	}
	if homeless := instancesOn(snap, ""); len(homeless) > 0 {
		shown = append(shown, shownHost{State: "none", Instances: homeless})
	}
	return shown
}

func instancesOn(snap *model.Snapshot, name string) []shownInstance {
	shown := []shownInstance{}
	for in := range snap.Instances.By(model.ByHost, name) {
		i := shownInstance{ID: in.ID, Account: in.Account, State: in.State, Interfaces: []shownInterface{}}
		for _, ifc := range control.Attached(snap, in.ID) {
			i.Interfaces = append(i.Interfaces, shownInterface{ifc.ID, slices.Concat(ifc.Addresses, ifc.IPv6)})
		}
		shown = append(shown, i)
	}
	slices.SortFunc(shown, func(a, b shownInstance) int { return cmp.Compare(a.ID, b.ID) })
	return shown
}

// serveHosts adds the commands about hosts to the control socket.
func serveHosts(mux *http.ServeMux, op operator) {
	mux.HandleFunc("GET /hosts", func(w http.ResponseWriter, _ *http.Request) {
		_, present, _ := op.Hosts()
		json.NewEncoder(w).Encode(listHosts(op.Control(), present, op.InForce))
	})
	serveOrders(mux, "/hosts", func(o hostOrder) (string, order) {
		do := hostVerbs[o.Verb]
		if do == nil {
			return o.Verb, nil
		}
		return o.Verb, func(ctx context.Context) (any, error) {
			j, _, err := op.Hosts()
			if err != nil {
				return nil, err
			}
			return do(ctx, op.Control(), j, o)
		}
	})
}
