// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
	"github.com/hedgeward/hedgeward/flow"
)

var errFull = errors.New("table full")

// ErrNotFound is returned, wrapped, for an interface or policy that is not there.
var ErrNotFound = errors.New("not found")

// tables are the maps and what of them is mapped into memory.
type tables struct {
	bpfobj.HedgewardMaps
	interfaceMem []byte
	stepMem      []byte
	allowanceMem []byte
	hz           uint64
}

func (t *tables) mapMemory(readOnly bool) (err error) {
	prot := unix.PROT_READ | unix.PROT_WRITE
	if readOnly {
		prot = unix.PROT_READ
	}
	for _, m := range []struct {
		from *ebpf.Map
		to   *[]byte
	}{{t.HedgewardMaps.Interfaces, &t.interfaceMem}, {t.Steps, &t.stepMem}, {t.Allowances, &t.allowanceMem}} {
		size := int(m.from.ValueSize()) * int(m.from.MaxEntries())
		page := os.Getpagesize()
		size = (size + page - 1) / page * page
		if *m.to, err = unix.Mmap(m.from.FD(), 0, size, prot, unix.MAP_SHARED); err != nil {
			return fmt.Errorf("map %s into memory: %w", m.from, err)
		}
	}
	return nil
}

func (t *tables) close() error {
	var errs []error
	for _, m := range []*[]byte{&t.interfaceMem, &t.stepMem, &t.allowanceMem} {
		if *m != nil {
			errs = append(errs, unix.Munmap(*m))
			*m = nil
		}
	}
	return errors.Join(append(errs, t.HedgewardMaps.Close())...)
}

// record returns the interface record in a slot, as the programs see it. Its
// Policy is shared with them and is only ever touched atomically.
func (t *tables) record(slot uint32) *bpfobj.HedgewardInterface {
	const size = unsafe.Sizeof(bpfobj.HedgewardInterface{})
	return (*bpfobj.HedgewardInterface)(unsafe.Pointer(&t.interfaceMem[uintptr(slot)*size]))
}

func (t *tables) step(place uint32) *bpfobj.HedgewardStep {
	const size = unsafe.Sizeof(bpfobj.HedgewardStep{})
	return (*bpfobj.HedgewardStep)(unsafe.Pointer(&t.stepMem[uintptr(place)*size]))
}

// allowanceRecord returns an allowance as the programs see it: shared with them,
// its fields are only ever touched atomically.
func (t *tables) allowanceRecord(number uint32) *bpfobj.HedgewardAllowance {
	const size = unsafe.Sizeof(bpfobj.HedgewardAllowance{})
	return (*bpfobj.HedgewardAllowance)(unsafe.Pointer(&t.allowanceMem[uintptr(number)*size]))
}

// used calls f for each slot that is somebody's.
func (t *tables) used(f func(slot uint32, rec *bpfobj.HedgewardInterface)) {
	for slot := range t.HedgewardMaps.Interfaces.MaxEntries() {
		if rec := t.record(slot); rec.Flags&interfaceUsed != 0 {
			f(slot, rec)
		}
	}
}

// Flags of struct interface, and table numbers, as bpf/layout.h has them.
const (
	interfaceUsed  = 1
	interfaceCheck = 2

	interfaceAttached = 4
	interfaceOwn      = 8
	vpcPrefixes       = 12
)

func tableOf(policy PolicyID, d flow.Direction, f flow.Family) uint32 {
	return uint32(policy)<<2 | uint32(d)<<1 | uint32(f)
}

func routesBit(d flow.Direction, f flow.Family) uint32 { return 1 << (uint32(d)*2 + uint32(f)) }
func groupsBit(d flow.Direction, f flow.Family) uint32 { return 16 << (uint32(d)*2 + uint32(f)) }

func familyOf(a netip.Addr) flow.Family {
	if a.Is4() {
		return flow.IPv4
	}
	return flow.IPv6
}

// words is an address as maps hold it: network order in memory, IPv4 first and
// zeros behind.
func words(a netip.Addr) (w [4]uint32) {
	var b [16]byte
	copy(b[:], a.AsSlice())
	for i := range w {
		w[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return w
}

func addrOf(w [4]uint32, f flow.Family) netip.Addr {
	var b [16]byte
	for i := range w {
		binary.NativeEndian.PutUint32(b[4*i:], w[i])
	}
	if f == flow.IPv4 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}

func addressKey(vpc uint32, a netip.Addr) (k bpfobj.HedgewardAddressKey) {
	k.Network = vpc<<1 | uint32(familyOf(a))
	k.Addr.Word = words(a)
	return k
}
