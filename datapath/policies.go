// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// PolicyID names an installed policy. 0 is none: closed. Ids are given again
// after DeletePolicy.
type PolicyID uint32

// installed is a policy in the maps, reachable or not.
type installed struct {
	id      PolicyID
	policy  *policy.Policy // nil: adopted, its rules are not known here
	extents []extent       // all that it has of the steps, but for classes
	places  []extent       // of these, those of its rows, direction after direction
	routes  []bpfobj.HedgewardRouteKey
	classes map[bpfobj.HedgewardClassKey]extent
	rules   []uint32 // handles that it holds; see handles.go
	retired bool
	line    *line // nil: adopted
}

// AddPolicy installs a policy whole, under an id that no interface uses yet. On
// error nothing of it stays.
func (d *Datapath) AddPolicy(p *policy.Policy) (PolicyID, error) { return d.ReplacePolicy(0, p) }

// ReplacePolicy is AddPolicy for a policy that shall take the place of old, which
// goes on as it is: it is faster if old has replaced another one before. An old
// that is not there, 0 for one, makes no difference.
func (d *Datapath) ReplacePolicy(old PolicyID, p *policy.Policy) (PolicyID, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := &line{}
	if in := d.policies[old]; in != nil && in.line != nil && !in.retired {
		l = in.line
	}
	id, err := d.addPolicy(l, p)
	if errors.Is(err, errFull) && len(d.retired)+d.spared > 0 {
		// What is being replaced may take the room.
		if err := d.reclaim(); err != nil {
			return 0, err
		}
		d.dropAllSpares()
		id, err = d.addPolicy(l, p)
	}
	if err != nil {
		return 0, fmt.Errorf("add policy: %w", err)
	}
	return id, nil
}

func (d *Datapath) addPolicy(l *line, p *policy.Policy) (PolicyID, error) {
	in := d.unshelve(l)
	if in == nil {
		var id PolicyID
		for id = 1; d.policies[id] != nil; id++ {
		}
		if uint32(id) >= d.Policies.MaxEntries() {
			return 0, fmt.Errorf("no room for more than %d policies: %w", d.Policies.MaxEntries()-1, errFull)
		}
		in = &installed{id: id, policy: &policy.Policy{}, classes: make(map[bpfobj.HedgewardClassKey]extent), line: l}
	}
	if err := d.install(in, p); err != nil {
		d.uninstall(in)
		delete(d.policies, in.id)
		return 0, err
	}
	in.retired = false
	l.alive++
	d.policies[in.id] = in
	d.added++
	return in.id, nil
}

// rewriteClasses gives a policy the rows of all classes.
func (d *Datapath) rewriteClasses(in *installed) error {
	before := in.classes
	in.classes = make(map[bpfobj.HedgewardClassKey]extent, len(before))
	var failed error
	for _, c := range d.classIDs {
		if failed = d.installClassFrom(in, c, before); failed != nil {
			break
		}
	}
	for key, x := range before {
		d.drop(d.ClassRows.Delete(&key))
		d.steps.give(x)
	}
	return failed
}

// installClass writes what members of a class's groups may do under a policy.
func (d *Datapath) installClass(in *installed, c *class) error {
	return d.installClassFrom(in, c, nil)
}

// installClassFrom is installClass for a policy that no program can be reading. It
// takes from before the rows that it writes over.
func (d *Datapath) installClassFrom(in *installed, c *class, before map[bpfobj.HedgewardClassKey]extent) error {
	if in.policy == nil {
		return nil // adopted: it has the rows of the classes of its time
	}
	for dir := range flow.Direction(flow.NumDirections) {
		for f := range flow.Family(flow.NumFamilies) {
			row := in.policy.Tables[dir].GroupRow(f, c.groups)
			if len(row) == 0 {
				continue
			}
			key := bpfobj.HedgewardClassKey{Table: tableOf(in.id, dir, f), Class: uint32(c.id)}
			if x, there := before[key]; there && x.count == uint32(len(row)) {
				d.fill(x, row)
				in.classes[key] = x
				delete(before, key)
				continue
			}
			if err := d.writeClass(in, key, row); err != nil {
				return fmt.Errorf("write groups %v: %w", c.groups, err)
			}
			if x, there := before[key]; there {
				d.steps.give(x)
				delete(before, key)
			}
		}
	}
	return nil
}

func (d *Datapath) writeClass(in *installed, key bpfobj.HedgewardClassKey, row policy.Row) error {
	r, x, err := d.writeRow(row)
	if err != nil {
		return err
	}
	if err := d.ClassRows.Put(&key, &r); err != nil {
		d.steps.give(x)
		return asFull(err)
	}
	in.classes[key] = x
	return nil
}

// copyClass gives a turning class the rows that the class has from which it turns.
func (d *Datapath) copyClass(in *installed, c *class) error {
	if c.from == nil {
		return nil
	}
	for dir := range flow.Direction(flow.NumDirections) {
		for f := range flow.Family(flow.NumFamilies) {
			key := bpfobj.HedgewardClassKey{Table: tableOf(in.id, dir, f), Class: uint32(c.from.id)}
			old, there := in.classes[key]
			if !there {
				continue
			}
			row := make(policy.Row, old.count)
			for i := range row {
				s := d.step(old.offset + uint32(i))
				row[i] = policy.Step{Start: s.Start, Rule: s.Rule, Flags: s.Flags}
			}
			key.Class = uint32(c.id)
			if err := d.writeClass(in, key, row); err != nil {
				return fmt.Errorf("write groups %v: %w", c.groups, err)
			}
		}
	}
	return nil
}

// uninstallClass takes back what installClass wrote. No program may be reading.
func (d *Datapath) uninstallClass(in *installed, id uint16) {
	for key, x := range in.classes {
		if key.Class == uint32(id) {
			d.drop(d.ClassRows.Delete(&key))
			d.steps.give(x)
			delete(in.classes, key)
		}
	}
}

// uninstall takes everything of a policy out of the maps. No program may be
// reading it.
func (d *Datapath) uninstall(in *installed) {
	d.drop(d.Policies.Put(uint32(in.id), &bpfobj.HedgewardPolicy{}))
	d.dropRoutes(in.routes)
	for key, x := range in.classes {
		d.drop(d.ClassRows.Delete(&key))
		d.steps.give(x)
	}
	for _, x := range in.extents {
		d.steps.give(x)
	}
	d.handles.release(in.rules)
	in.routes, in.extents, in.places, in.classes, in.rules = nil, nil, nil, nil, nil
}

// dropRoutes takes prefixes out of the maps; those that are gone are no fault.
func (d *Datapath) dropRoutes(keys []bpfobj.HedgewardRouteKey) {
	for len(keys) > 0 {
		n, err := d.Routes.BatchDelete(keys, nil)
		if err == nil {
			return
		}
		d.drop(err)
		keys = keys[min(n+1, len(keys)):] // the one behind the n that went is at fault
	}
}

// drop notes an error of taking something away that is out of force already.
func (d *Datapath) drop(err error) {
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		d.cfg.Log.Error("leftover in the datapath", "error", err)
	}
}

// SetPolicy puts a policy in force at an interface: one atomic store, so each
// packet is judged by the old policy or by the new one. Policy 0 closes the
// interface: nothing passes, for the reason no_policy. revision is remembered for
// InterfaceStatus.
func (d *Datapath) SetPolicy(iface string, id PolicyID, revision int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.slots[iface]
	if s == nil {
		return fmt.Errorf("set policy of interface %s: interface %w", iface, ErrNotFound)
	}
	if in := d.policies[id]; id != 0 && (in == nil || in.retired) {
		return fmt.Errorf("set policy of interface %s: policy %d %w", iface, id, ErrNotFound)
	}
	rec := d.record(s.number)
	old := PolicyID(atomic.SwapUint32(&rec.Policy, uint32(id)))
	atomic.StoreUint64(&rec.Revision, uint64(revision))
	d.dropAdopted(old)
	return nil
}

// dropAdopted retires an adopted policy that no interface uses any more: nobody
// else knows of it.
func (d *Datapath) dropAdopted(id PolicyID) {
	if in := d.policies[id]; in != nil && in.policy == nil && !d.inForce(id) {
		d.retirePolicy(in)
	}
}

func (d *Datapath) inForce(id PolicyID) bool {
	for _, s := range d.slots {
		if PolicyID(atomic.LoadUint32(&d.record(s.number).Policy)) == id {
			return true
		}
	}
	return false
}

func (d *Datapath) retirePolicy(in *installed) {
	if in.retired {
		return
	}
	in.retired = true
	if in.line != nil {
		if in.line.alive--; in.line.alive == 0 {
			d.dropSpares(in.line)
		}
	}
	d.retire(func() {
		if !d.shelve(in) {
			d.uninstall(in)
			delete(d.policies, in.id)
		}
	})
	d.reclaimSoon()
}

// DeletePolicy takes a policy away that no interface uses. Its room is free
// once no packet is being judged by it, which Run sees to.
func (d *Datapath) DeletePolicy(id PolicyID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.policies[id]
	if in == nil || in.retired {
		return fmt.Errorf("delete policy %d: %w", id, ErrNotFound)
	}
	if d.inForce(id) {
		return fmt.Errorf("delete policy %d: an interface uses it", id)
	}
	d.retirePolicy(in)
	return nil
}

// adoptPolicies finds the policies that are in force and clears away the rest:
// what an earlier process was building or had not freed yet.
func (d *Datapath) adoptPolicies() error {
	d.policies = make(map[PolicyID]*installed)
	d.used(func(_ uint32, rec *bpfobj.HedgewardInterface) {
		if id := PolicyID(rec.Policy); id != 0 && d.policies[id] == nil {
			d.policies[id] = &installed{id: id, classes: make(map[bpfobj.HedgewardClassKey]extent)}
		}
	})
	var used []extent
	for id := PolicyID(1); uint32(id) < d.Policies.MaxEntries(); id++ {
		in := d.policies[id]
		if in == nil {
			continue
		}
		var header bpfobj.HedgewardPolicy
		if err := d.Policies.Lookup(uint32(id), &header); err != nil {
			return fmt.Errorf("read policy %d: %w", id, err)
		}
		for _, dir := range header.Any {
			for _, row := range dir {
				in.extents = append(in.extents, extent{row.Offset, row.Count})
			}
		}
		for _, row := range header.Handles {
			in.extents = append(in.extents, extent{row.Offset, row.Count})
			d.holdHandles(in, row)
		}
	}
	var stale []bpfobj.HedgewardRouteKey
	var route bpfobj.HedgewardRouteKey
	var row bpfobj.HedgewardRow
	it := d.Routes.Iterate()
	for it.Next(&route, &row) {
		in := d.policies[PolicyID(route.Table>>2)]
		if in == nil {
			stale = append(stale, route)
			continue
		}
		in.routes = append(in.routes, route)
		in.extents = append(in.extents, extent{row.Offset, row.Count})
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read prefixes: %w", err)
	}
	d.dropRoutes(stale)
	var staleClasses []bpfobj.HedgewardClassKey
	var key bpfobj.HedgewardClassKey
	it = d.ClassRows.Iterate()
	for it.Next(&key, &row) {
		if in := d.policies[PolicyID(key.Table>>2)]; in != nil {
			in.classes[key] = extent{row.Offset, row.Count}
			used = append(used, in.classes[key])
		} else {
			staleClasses = append(staleClasses, key)
		}
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read group rows: %w", err)
	}
	for i := range staleClasses {
		d.drop(d.ClassRows.Delete(&staleClasses[i]))
	}
	for _, in := range d.policies {
		slices.SortFunc(in.extents, func(a, b extent) int { return int(a.offset) - int(b.offset) })
		in.extents = slices.Compact(in.extents) // routes share rows
		used = append(used, in.extents...)
	}
	d.steps = newExtents(d.Steps.MaxEntries(), used)
	return nil
}

// asFull marks the errors by which maps say that they are full.
func asFull(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %w", errFull, err)
	}
	return err
}
