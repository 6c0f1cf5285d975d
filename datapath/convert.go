// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
	"github.com/hedgeward/hedgeward/flow"
)

// previousLayout is the one before layout. What is pinned in it is taken over with
// live connections (docs/spec/packet-semantics.md section 3.10): maps that have the same
// keys and values in both are handed from the programs of one to those of the other
// as they are, so that no flow is ever copied. Those that differ are converted into
// new ones aside; nobody but an open datapath writes to them, and there is one at a
// time. Then the links get the new programs, one by one and each at once, and last
// the new maps take the places of the old ones among the pins. Whoever is stopped
// before that begins again.
//
// A later layout that changes what flows are has to bring them over while packets
// go on; this is not provided for.
const previousLayout = 4

// In layout 4, struct interface ended router6 where resolver4 and place are now.
const (
	interfaceSplit    = unsafe.Offsetof(bpfobj.HedgewardInterface{}.Resolver4)
	interfaceAdded    = unsafe.Offsetof(bpfobj.HedgewardInterface{}.Revision) - interfaceSplit
	previousInterface = unsafe.Sizeof(bpfobj.HedgewardInterface{}) - interfaceAdded
)

// superseded are the maps that are made anew. Counters are empty then: the numbers of
// some reasons are others. The last one says whether all were put in place.
var superseded = []string{bpfobj.HedgewardMapCounters, bpfobj.HedgewardMapInterfaces}

// nextSuffix is of the pin of a new map while the old one has its name.
const nextSuffix = "_next"

// openPrevious returns the pinned interfaces of the previous layout, nil if those
// that are pinned are of this one already.
func openPrevious(dir string) (*ebpf.Map, error) {
	m, err := ebpf.LoadPinnedMap(filepath.Join(dir, bpfobj.HedgewardMapInterfaces), nil)
	if err != nil {
		return nil, fmt.Errorf("open pinned map %s: %w", bpfobj.HedgewardMapInterfaces, err)
	}
	if m.ValueSize() != uint32(previousInterface) {
		return nil, m.Close()
	}
	return m, nil
}

// convert fills the new interfaces from the old ones.
func (d *Datapath) convert() error {
	old := make([]byte, previousInterface)
	for number := range d.previous.MaxEntries() {
		if err := d.previous.Lookup(number, &old); err != nil {
			return fmt.Errorf("read interface %d of layout %d: %w", number, previousLayout, err)
		}
		d.convertInterface(d.record(number), old, number)
	}
	return nil
}

func (d *Datapath) convertInterface(rec *bpfobj.HedgewardInterface, old []byte, number uint32) {
	const size = unsafe.Sizeof(*rec)
	mem := (*[size]byte)(unsafe.Pointer(rec))[:]
	copy(mem, old[:interfaceSplit])
	copy(mem[interfaceSplit+interfaceAdded:], old[interfaceSplit:])
	rec.Place = number
	rec.Timeout[fragmentTimeout] = jiffies(30*time.Second, d.hz)
	rec.Timeout[oneSecond] = jiffies(time.Second, d.hz)
	for _, v := range rec.VpcPrefix {
		if v.Family == uint32(flow.IPv4)+1 { // the primary block
			rec.Resolver4 = words(resolverOf(netip.PrefixFrom(addrOf(v.Addr.Word, flow.IPv4), 32)))[0]
			return
		}
	}
}

// supersede puts this binary's programs in the place of those of the previous
// layout, on every device that is still there, and then the new map in the place of
// the old one.
func (d *Datapath) supersede() error {
	for _, s := range d.slots {
		rec := d.record(s.number)
		if rec.Ifindex == 0 {
			continue
		}
		if err := d.link(s.id, int(rec.Ifindex), hooksOf(rec.Flags)); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("replace the programs of interface %s: %w", s.id, err)
		}
	}
	var uplink uint32
	if err := d.HedgewardMaps.Uplink.Lookup(uint32(0), &uplink); err != nil {
		return fmt.Errorf("read the uplink: %w", err)
	}
	if uplink != 0 {
		if err := d.linkHook(uplinkPin, int(uplink), internetHook); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("replace the program of the uplink: %w", err)
		}
	}
	made := map[string]*ebpf.Map{
		bpfobj.HedgewardMapCounters: d.HedgewardMaps.Counters, bpfobj.HedgewardMapInterfaces: d.HedgewardMaps.Interfaces,
	}
	for _, name := range superseded {
		if err := replacePin(filepath.Join(d.cfg.Dir, name), made[name]); err != nil {
			return err
		}
	}
	err := d.previous.Close()
	d.previous = nil
	return err
}

// replacePin gives a map the pin of another, at once.
func replacePin(path string, m *ebpf.Map) error {
	next := path + nextSuffix
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) { // of one that was stopped
		return err
	}
	if err := m.Pin(next); err != nil {
		return fmt.Errorf("pin %s: %w", next, err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("put %s in place: %w", next, err)
	}
	return nil
}
