// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

const (
	maxClass  = 65535
	maxGroups = 63 // MAX_GROUPS of bpf/layout.h
)

// class is a distinct set of groups that addresses belong to. The empty set is
// class 0, which is never stored.
type class struct {
	id     uint16
	groups []string // sorted
	refs   int      // addresses that carry it
}

func classKey(groups []string) string { return strings.Join(groups, "\x00") }

// intern returns the class of a set of groups. A new one is installed for every
// policy before any address may carry it. Nothing stays on error.
func (d *Datapath) intern(groups []string) (*class, error) {
	groups = slices.Clone(groups)
	slices.Sort(groups)
	groups = slices.Compact(groups)
	if len(groups) == 0 {
		return nil, nil
	}
	if c := d.classes[classKey(groups)]; c != nil {
		return c, nil
	}
	if len(groups) > maxGroups {
		return nil, fmt.Errorf("an address is in %d groups, at most %d are possible", len(groups), maxGroups)
	}
	c := &class{groups: groups}
	for id := 1; id <= int(d.HedgewardMaps.Classes.MaxEntries()); id++ {
		if d.classIDs[uint16(id)] == nil {
			c.id = uint16(id)
			break
		}
	}
	if c.id == 0 {
		return nil, fmt.Errorf("no room for more than %d sets of groups: %w", d.HedgewardMaps.Classes.MaxEntries(), errFull)
	}
	set := bpfobj.HedgewardGroupSet{Count: uint32(len(groups))}
	for i, g := range groups {
		n, err := d.names.number(groupName, g)
		if err != nil {
			return nil, err
		}
		set.Group[i] = n
	}
	if err := d.HedgewardMaps.Classes.Put(uint32(c.id), &set); err != nil {
		return nil, fmt.Errorf("write groups %v: %w", groups, asFull(err))
	}
	for _, in := range d.policies {
		if in.retired {
			continue
		}
		if err := d.installClass(in, c); err != nil {
			d.forgetClass(c)
			return nil, err
		}
	}
	d.classes[classKey(groups)] = c
	d.classIDs[c.id] = c
	return c, nil
}

// release takes one address off a class; a class without addresses goes when no
// program can be looking at it any more.
func (d *Datapath) release(c *class) {
	if c == nil {
		return
	}
	if c.refs--; c.refs > 0 {
		return
	}
	d.retire(func() {
		if c.refs > 0 || d.classIDs[c.id] != c {
			return // taken up again
		}
		delete(d.classes, classKey(c.groups))
		delete(d.classIDs, c.id)
		d.forgetClass(c)
	})
}

// forgetClass takes a class out of the maps. No program may be reading it.
func (d *Datapath) forgetClass(c *class) {
	for _, in := range d.policies {
		d.uninstallClass(in, c.id)
	}
	d.drop(d.HedgewardMaps.Classes.Delete(uint32(c.id)))
}

// adoptClasses reads the sets of groups that addresses may carry.
func (d *Datapath) adoptClasses() error {
	d.classes, d.classIDs = make(map[string]*class), make(map[uint16]*class)
	names := make(map[uint32]string)
	for name, n := range d.names.byName {
		if g, ok := strings.CutPrefix(name, groupName); ok {
			names[n] = g
		}
	}
	var id uint32
	var set bpfobj.HedgewardGroupSet
	it := d.HedgewardMaps.Classes.Iterate()
	for it.Next(&id, &set) {
		c := &class{id: uint16(id)}
		for _, n := range set.Group[:min(set.Count, maxGroups)] {
			c.groups = append(c.groups, names[n])
		}
		slices.Sort(c.groups)
		d.classes[classKey(c.groups)] = c
		d.classIDs[c.id] = c
	}
	if err := it.Err(); err != nil {
		return fmt.Errorf("read sets of groups: %w", err)
	}
	return nil
}

func isFull(err error) bool {
	return errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.ENOMEM)
}
