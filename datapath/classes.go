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
	key    string   // in classes
	groups []string // sorted
	refs   int      // addresses that carry it

	// A turning class is what an address carries from one class to another while
	// policies change too: the policies of before take it for a member of the
	// old groups, those that are added from then on for one of the new ones
	// (section 1.10).
	turning bool
	from    *class // whose rows it copies; nil: none
}

// turningBit marks a turning class among the stored ones, in the count.
const turningBit = 1 << 31

func classKey(groups []string) string { return strings.Join(groups, "\x00") }

func normalGroups(groups []string) []string {
	groups = slices.Clone(groups)
	slices.Sort(groups)
	return slices.Compact(groups)
}

// intern returns the class of a set of groups.
func (d *Datapath) intern(groups []string) (*class, error) {
	groups = normalGroups(groups)
	if len(groups) == 0 {
		return nil, nil
	}
	return d.define(class{key: classKey(groups), groups: groups})
}

// turn returns the class that takes an address from one class to a set of
// groups.
func (d *Datapath) turn(from *class, groups []string) (*class, error) {
	groups = normalGroups(groups)
	if from == nil && len(groups) == 0 || from != nil && !from.turning && slices.Equal(from.groups, groups) {
		return from, nil
	}
	// Addresses that turn the same way at the same time share it.
	key := fmt.Sprintf("turning since %d from ", d.added)
	if from != nil {
		key += from.key
	}
	return d.define(class{key: key + " to " + classKey(groups), groups: groups, turning: true, from: from})
}

// define returns the class with the key of c, making it c if there is none yet:
// it is installed for every policy before any address may carry it. Nothing
// stays on error.
func (d *Datapath) define(want class) (*class, error) {
	if c := d.classes[want.key]; c != nil {
		return c, nil
	}
	c, groups := &want, want.groups
	if len(groups) > maxGroups {
		return nil, fmt.Errorf("an address is in %d groups, at most %d are possible", len(groups), maxGroups)
	}
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
	install := d.installClass
	if c.turning {
		set.Count |= turningBit
		install = d.copyClass
	}
	if err := d.HedgewardMaps.Classes.Put(uint32(c.id), &set); err != nil {
		return nil, fmt.Errorf("write groups %v: %w", groups, asFull(err))
	}
	for _, in := range d.policies {
		if in.retired {
			continue
		}
		if err := install(in, c); err != nil {
			d.forgetClass(c)
			return nil, err
		}
	}
	d.classes[c.key] = c
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
		delete(d.classes, c.key)
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
		c := &class{id: uint16(id), turning: set.Count&turningBit != 0}
		for _, n := range set.Group[:min(set.Count&^turningBit, maxGroups)] {
			c.groups = append(c.groups, names[n])
		}
		slices.Sort(c.groups)
		if c.key = classKey(c.groups); c.turning {
			c.key = fmt.Sprintf("turning when adopted as %d", id) // nobody turns so again
		}
		d.classes[c.key] = c
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
