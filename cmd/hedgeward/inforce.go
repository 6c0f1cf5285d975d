// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hedgeward/hedgeward/agent"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
	"github.com/hedgeward/hedgeward/stream"
)

// ownEnforced is what is in force on the one host of up, as enforced.Local.
type ownEnforced struct {
	agent *agent.Agent
	last  atomic.Pointer[stream.Enforced] // that was said by Of; nil: nothing
}

// Enforced implements enforced.Local.
func (o *ownEnforced) Enforced() (map[string]stream.Enforced, <-chan struct{}) {
	revision, behind, changed := o.agent.InForce()
	return map[string]stream.Enforced{host: {Connected: true, Revision: revision, Behind: behind}}, changed
}

// Of implements enforced.Local. Calls of the API ask, which must not wait for the
// kernel.
func (o *ownEnforced) Of(name string) stream.Enforced {
	if name != host {
		return stream.Enforced{}
	}
	if revision, behind, ok := o.agent.InForceNow(); ok {
		o.last.Store(&stream.Enforced{Connected: true, Revision: revision, Behind: behind})
	}
	if last := o.last.Load(); last != nil {
		return *last
	}
	return stream.Enforced{Connected: true}
}

// awaited is what a caller of wait wants to be in force.
type awaited struct {
	revision int64  // 0: everything answered so far
	resource string // only where it matters to this interface, instance or group; "": everywhere
}

// places are where something has to be in force.
type places struct {
	hosts      map[string]bool
	interfaces map[string]string // of which each has to be in force -> their hosts
}

// Wait returns the revision that was waited for once it is in force wherever it has
// to be, and says where it is not when ctx ends first.
func (in *installation) Wait(ctx context.Context, w awaited) (int64, error) {
	snap := in.model.Snapshot()
	if w.revision > snap.Revision {
		var err error
		if snap, err = in.model.Await(ctx, w.revision); err != nil {
			return 0, err
		}
	} else if w.revision == 0 {
		w.revision = snap.Revision
	}
	at, err := placesOf(snap, w.resource)
	if err != nil {
		return 0, err
	}
	var missing []string
	err = in.view.Await(ctx, func(hosts map[string]stream.Enforced) bool {
		missing = at.missing(hosts, w.revision)
		return len(missing) == 0
	})
	if err != nil {
		return 0, fmt.Errorf("revision %d is not in force yet: %s", w.revision, strings.Join(missing, "; "))
	}
	return w.revision, nil
}

// placesOf returns where something matters to a resource, or at all.
func placesOf(snap *model.Snapshot, resource string) (places, error) {
	at := places{map[string]bool{}, map[string]string{}}
	add := func(i *secgroup.Interface, each bool) {
		name := control.HostOf(snap, i)
		if name == "" {
			return
		}
		at.hosts[name] = true
		if each {
			at.interfaces[i.ID] = name
		}
	}
	switch {
	case resource == "":
		for i := range snap.Interfaces.All() {
			add(i, false)
		}
	case strings.HasPrefix(resource, "eni-") && snap.Interfaces.Get(resource) != nil:
		add(snap.Interfaces.Get(resource), true)
	case strings.HasPrefix(resource, "i-") && snap.Instances.Get(resource) != nil:
		for i := range snap.Interfaces.By(model.ByInstance, resource) {
			add(i, true)
		}
	case strings.HasPrefix(resource, "sg-") && snap.Groups.Get(resource) != nil:
		for i := range snap.Interfaces.All() { // rules that name the group are judged anywhere
			add(i, slices.Contains(i.Groups, resource))
		}
	default:
		return at, fmt.Errorf("%s is no interface, instance or group that there is", resource)
	}
	return at, nil
}

// missing says in words where a revision is not in force.
func (p places) missing(hosts map[string]stream.Enforced, revision int64) []string {
	var out []string
	for name := range p.hosts {
		e, known := hosts[name]
		switch {
		case !known:
			out = append(out, fmt.Sprintf("nothing is known of host %s", name))
		case e.Revision < revision && !e.Connected:
			out = append(out, fmt.Sprintf("host %s is not connected and has revision %d", name, e.Revision))
		case e.Revision < revision:
			out = append(out, fmt.Sprintf("host %s has revision %d", name, e.Revision))
		}
		for id, is := range e.Behind { // 0: nothing passes, as before its first revision
			if _, wanted := p.interfaces[id]; is < revision && (wanted || is > 0 && len(p.interfaces) == 0) {
				out = append(out, fmt.Sprintf("interface %s on host %s has revision %d", id, name, is))
			}
		}
	}
	slices.Sort(out)
	return out
}

// errTimeout ends the context of somebody who has waited long enough.
var errTimeout = errors.New("it takes too long")
