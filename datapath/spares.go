// SPDX-License-Identifier: Apache-2.0

package datapath

// A policy that is in force is never written to, so a changed rule means another
// policy, and a thousand rules mean a thousand prefixes to write, a microsecond
// each. Policies that were replaced, and that no program can be reading any more,
// are therefore kept a while with all that they have in the maps: the next one of
// the same line is made of one by writing the difference.
const (
	sparesOfLine = 3 // as many changes go quickly while programs are waited for
	sparesShare  = 8 // at most one in so many prefixes of the map is a spare's
)

// line is policies that replaced each other.
type line struct {
	alive  int // of its policies, those that are not retired
	spares []*installed
}

// shelve keeps a retired policy as a spare, if that is of use.
func (d *Datapath) shelve(in *installed) bool {
	l := in.line
	if l == nil || l.alive == 0 || len(l.spares) >= sparesOfLine || d.spared+len(in.routes) > int(d.Routes.MaxEntries())/sparesShare {
		return false
	}
	d.handles.release(in.rules)
	in.rules = nil
	l.spares = append(l.spares, in)
	d.spared += 1 + len(in.routes)
	return true
}

// unshelve takes the newest spare of a line, which is the one most like the next
// policy; nil if there is none.
func (d *Datapath) unshelve(l *line) *installed {
	if l == nil || len(l.spares) == 0 {
		return nil
	}
	last := len(l.spares) - 1
	in := l.spares[last]
	l.spares = l.spares[:last]
	d.spared -= 1 + len(in.routes)
	return in
}

// dropSpares takes all spares of a line out of the maps.
func (d *Datapath) dropSpares(l *line) {
	for in := d.unshelve(l); in != nil; in = d.unshelve(l) {
		d.uninstall(in)
		delete(d.policies, in.id)
	}
}

// dropAllSpares makes room.
func (d *Datapath) dropAllSpares() {
	for _, in := range d.policies {
		if in.line != nil {
			d.dropSpares(in.line)
		}
	}
}
