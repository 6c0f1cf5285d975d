// SPDX-License-Identifier: Apache-2.0

package agent

import "strings"

// Behind returns the interfaces that are judged by an older revision than that of
// the newest delta, with the revision that judges each: 0 if nothing does and
// nothing passes. The channel is closed when that may have changed.
func (a *Agent) Behind() (behind map[string]int64, changed <-chan struct{}) {
	_, behind, changed = a.InForce()
	return behind, changed
}

// InForce is Behind, with the revision of the newest delta.
func (a *Agent) InForce() (revision int64, behind map[string]int64, changed <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.applied, a.behind(), a.turned
}

// InForceNow is InForce for those who must not wait for the kernel. ok is false while
// something is being brought in line: what was said before holds until that is done.
func (a *Agent) InForceNow() (revision int64, behind map[string]int64, ok bool) {
	if !a.mu.TryLock() {
		return 0, nil, false
	}
	defer a.mu.Unlock()
	return a.applied, a.behind(), true
}

// behind returns the interfaces that are judged by an older revision. The caller
// holds a.mu.
func (a *Agent) behind() map[string]int64 {
	behind := map[string]int64{}
	stuck := a.stuck()
	for id, want := range a.interfaces {
		if want.Releasing || want.Device != "" && !a.isAttached(id) && !stuck["device of "+id] {
			delete(a.judgedBy, id)
			continue // there is nothing to be judged
		}
		if a.isAttached(id) && !stuck["device of "+id] && a.isJudged(id) && !stuck["interface "+id] && !stuck["policy of "+id] && !stuck[want.Network] {
			a.judgedBy[id] = a.applied
			continue
		}
		if !a.isAttached(id) || a.judged[id] == nil {
			delete(a.judgedBy, id)
		}
		behind[id] = a.judgedBy[id]
	}
	for id := range a.judgedBy {
		if a.interfaces[id] == nil {
			delete(a.judgedBy, id)
		}
	}
	return behind
}

// stuck returns the objects that could not be brought in line, and the networks
// of which something is unknown to the kernel. The caller holds a.mu.
func (a *Agent) stuck() map[string]bool {
	out := make(map[string]bool, len(a.faults))
	for object := range a.faults {
		out[object] = true
		if rest, ok := strings.CutPrefix(object, "address "); ok {
			_, network, _ := strings.Cut(rest, " in ")
			out[network] = true
		} else if network, ok := strings.CutPrefix(object, "routes of "); ok {
			out[network] = true
		}
	}
	return out
}

// turn wakes those who watch Behind. The caller holds a.mu.
func (a *Agent) turn() {
	close(a.turned)
	a.turned = make(chan struct{})
}
