// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
	"github.com/hedgeward/hedgeward/flow"
	"github.com/hedgeward/hedgeward/policy"
)

// install makes a policy that no program can be reading into p, writing what it has
// not in the maps yet: rows, then what leads to them, then the header, without
// which nothing of it is found. On error the policy is neither the one nor the
// other, and can only be uninstalled.
func (d *Datapath) install(in *installed, p *policy.Policy) error {
	diff := in.compare(p)
	before := in.extents
	var header bpfobj.HedgewardPolicy
	var now []extent // what it shall have of the steps
	take := func(r bpfobj.HedgewardRow, x extent, err error) (bpfobj.HedgewardRow, error) {
		if err == nil {
			now, in.extents = append(now, x), append(in.extents, x)
		}
		return r, err
	}
	places := make([]extent, 0, len(diff.kept))
	for dir := range flow.Direction(flow.NumDirections) {
		t := &p.Tables[dir]
		var err error
		if header.Handles[dir], err = take(d.writeHandles(in, t.Rules)); err != nil {
			return err
		}
		for _, row := range t.Rows {
			if from := diff.kept[len(places)]; from > 0 {
				place := in.places[from-1]
				d.fill(place, row)
				places, now = append(places, place), append(now, place)
				continue
			}
			r, err := take(d.writeRow(row))
			if err != nil {
				return err
			}
			places = append(places, extent{r.Offset, r.Count})
		}
		for f := range flow.Family(flow.NumFamilies) {
			if header.Any[dir][f], err = take(d.writeRow(t.Any[f])); err != nil {
				return err
			}
			if len(t.Routes[f]) > 0 {
				header.Has |= routesBit(dir, f)
			}
			if t.HasGroups() {
				header.Has |= groupsBit(dir, f)
			}
		}
	}
	if err := d.writeRoutes(in, diff, places); err != nil {
		return err
	}
	in.policy, in.places = p, places
	if err := d.rewriteClasses(in); err != nil {
		return err
	}
	if err := d.Policies.Put(uint32(in.id), &header); err != nil {
		return fmt.Errorf("write policy %d: %w", in.id, err)
	}
	d.giveBack(before, now)
	in.extents = now
	return nil
}

// writeRoutes writes the prefixes that a policy lacks and takes away those that it
// has too many, each kind at once: a policy may have thousands.
func (d *Datapath) writeRoutes(in *installed, diff difference, places []extent) error {
	keys := make([]bpfobj.HedgewardRouteKey, len(diff.missing))
	values := make([]bpfobj.HedgewardRow, len(diff.missing))
	for i, c := range diff.missing {
		keys[i], values[i] = c.key, bpfobj.HedgewardRow{Offset: places[c.row].offset, Count: places[c.row].count}
	}
	if len(keys) > 0 {
		n, err := d.Routes.BatchUpdate(keys, values, nil)
		if err != nil {
			in.routes = append(slices.Clip(in.routes), keys[:n]...)
			return fmt.Errorf("write prefixes: %w", asFull(err))
		}
	}
	d.dropRoutes(diff.gone)
	in.routes = diff.routes
	return nil
}

func routeKey(table uint32, p netip.Prefix) (k bpfobj.HedgewardRouteKey) {
	k.Prefixlen, k.Table = 32+uint32(p.Bits()), table
	k.Addr.Word = words(p.Addr())
	return k
}

// writeRow puts a row where no program looks yet.
func (d *Datapath) writeRow(row policy.Row) (bpfobj.HedgewardRow, extent, error) {
	x, err := d.steps.take(uint32(len(row)))
	if err != nil {
		return bpfobj.HedgewardRow{}, extent{}, err
	}
	d.fill(x, row)
	return bpfobj.HedgewardRow{Offset: x.offset, Count: x.count}, x, nil
}

// fill writes a row to its places.
func (d *Datapath) fill(x extent, row policy.Row) {
	for i, s := range row {
		*d.step(x.offset + uint32(i)) = bpfobj.HedgewardStep{Start: s.Start, Rule: s.Rule, Flags: s.Flags}
	}
}

// difference is what a policy's maps lack that another policy's have. The zero
// difference is of a policy that has nothing yet.
type difference struct {
	kept    []int // by row of the new policy: the row of the old one whose place it takes, plus one
	reused  []bool
	missing []change
	gone    []bpfobj.HedgewardRouteKey
	routes  []bpfobj.HedgewardRouteKey // of the new policy, in its order
}

// change is a prefix to be written and the row that it shall have.
type change struct {
	key bpfobj.HedgewardRouteKey
	row int
}

// rowBase is where the rows of each direction begin among all.
func rowBase(p *policy.Policy) (base [flow.NumDirections + 1]int) {
	for dir := range p.Tables {
		base[dir+1] = base[dir] + len(p.Tables[dir].Rows)
	}
	return base
}

// compare walks the prefixes that a policy has in the maps and those of next,
// both in order. Rows whose prefixes stay keep their place if they have as many
// steps as before.
func (in *installed) compare(next *policy.Policy) (diff difference) {
	was := in.policy
	base, old := rowBase(next), rowBase(was)
	diff.kept, diff.reused = make([]int, base[flow.NumDirections]), make([]bool, old[flow.NumDirections])
	at := 0 // in in.routes
	for dir := range next.Tables {
		rows, before := next.Tables[dir].Rows, was.Tables[dir].Rows
		for f := range next.Tables[dir].Routes {
			a, b := was.Tables[dir].Routes[f], next.Tables[dir].Routes[f]
			table := tableOf(in.id, flow.Direction(dir), flow.Family(f))
			for len(a) > 0 || len(b) > 0 {
				order := -1
				if len(a) == 0 {
					order = 1
				} else if len(b) > 0 {
					order = a[0].Compare(b[0])
				}
				if order < 0 {
					diff.gone = append(diff.gone, in.routes[at])
					a, at = a[1:], at+1
					continue
				}
				row, stays := base[dir]+b[0].Row, false
				var key bpfobj.HedgewardRouteKey
				if order == 0 {
					place := old[dir] + a[0].Row
					if diff.kept[row] == 0 && !diff.reused[place] && len(rows[b[0].Row]) == len(before[a[0].Row]) {
						diff.kept[row], diff.reused[place] = place+1, true
					}
					stays, key = diff.kept[row] == place+1, in.routes[at]
					a, at = a[1:], at+1
				} else {
					key = routeKey(table, b[0].Prefix)
				}
				if !stays {
					diff.missing = append(diff.missing, change{key, row})
				}
				diff.routes = append(diff.routes, key)
				b = b[1:]
			}
		}
	}
	return diff
}

// giveBack frees the places that a policy had and no longer needs.
func (d *Datapath) giveBack(old, now []extent) {
	kept := make(map[extent]bool, len(now))
	for _, x := range now {
		kept[x] = true
	}
	for _, x := range old {
		if !kept[x] {
			d.steps.give(x)
		}
	}
}
