// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

const linksDir = "links"

// hook is a place on a device. The names are seen from the instance, the kernel
// sees them from the host: what comes from the instance enters the host.
type hook struct {
	name   string // of the program, and of the pin
	tcx    ebpf.AttachType
	parent uint32
}

var hooks = []hook{
	{bpfobj.HedgewardProgFromInstance, ebpf.AttachTCXIngress, netlink.HANDLE_MIN_INGRESS},
	{bpfobj.HedgewardProgToInstance, ebpf.AttachTCXEgress, netlink.HANDLE_MIN_EGRESS},
}

// attachedHooks are those at a device that somebody else made, ownHooks those at a
// NIC of the host itself, which is seen from the other side
// (docs/spec/packet-semantics.md section 4.8).
var (
	attachedHooks = []hook{
		{bpfobj.HedgewardProgAttachedFrom, ebpf.AttachTCXIngress, netlink.HANDLE_MIN_INGRESS},
		{bpfobj.HedgewardProgAttachedTo, ebpf.AttachTCXEgress, netlink.HANDLE_MIN_EGRESS},
	}
	ownHooks = []hook{
		{bpfobj.HedgewardProgAttachedFrom, ebpf.AttachTCXEgress, netlink.HANDLE_MIN_EGRESS},
		{bpfobj.HedgewardProgAttachedTo, ebpf.AttachTCXIngress, netlink.HANDLE_MIN_INGRESS},
	}
	allHooks = slices.Concat(hooks, attachedHooks)
)

// hooksOf returns where an interface with these flags is judged.
func hooksOf(flags uint32) []hook {
	switch {
	case flags&interfaceOwn != 0:
		return ownHooks
	case flags&interfaceAttached != 0:
		return attachedHooks
	}
	return hooks
}

// Our clsact filter: nobody else's has this handle at this preference.
const (
	filterHandle = 0x48657467
	filterPref   = 1
	filterName   = "hedgeward/"
)

func (d *Datapath) program(h hook) *ebpf.Program {
	switch h.name {
	case bpfobj.HedgewardProgFromInstance:
		return d.progs.FromInstance
	case bpfobj.HedgewardProgFromInternet:
		return d.progs.FromInternet
	case bpfobj.HedgewardProgFromOverlay:
		return d.progs.FromOverlay
	case bpfobj.HedgewardProgAttachedFrom:
		return d.progs.AttachedFrom
	case bpfobj.HedgewardProgAttachedTo:
		return d.progs.AttachedTo
	}
	return d.progs.ToInstance
}

func (d *Datapath) pin(id string, h hook) string {
	return filepath.Join(d.cfg.Dir, linksDir, id+"_"+h.name)
}

// link puts this binary's programs on a device, replacing earlier ones of ours
// without a gap.
func (d *Datapath) link(id string, ifindex int, hooks []hook) error {
	for _, h := range hooks {
		if err := d.linkHook(id, ifindex, h); err != nil {
			return err
		}
	}
	return nil
}

func (d *Datapath) linkHook(id string, ifindex int, h hook) error {
	err := link.ErrNotSupported
	if d.cfg.Attach != AttachClsact {
		err = d.linkTCX(id, ifindex, h)
	}
	if errors.Is(err, link.ErrNotSupported) && d.cfg.Attach != AttachTCX {
		if err = linkClsact(ifindex, h, d.program(h)); err == nil {
			err = d.unpin(id, h) // of an earlier process that used tcx
		}
	} else if err == nil {
		err = unlinkClsact(ifindex, h)
	}
	if err != nil {
		return fmt.Errorf("attach %s: %w", h.name, err)
	}
	return nil
}

func (d *Datapath) linkTCX(id string, ifindex int, h hook) error {
	pin := d.pin(id, h)
	old, err := link.LoadPinnedLink(pin, nil)
	if err == nil {
		defer old.Close()
		if onDevice(old, ifindex) {
			return old.Update(d.program(h))
		}
		if err := old.Unpin(); err != nil {
			return fmt.Errorf("unpin %s: %w", pin, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open %s: %w", pin, err)
	}
	l, err := link.AttachTCX(link.TCXOptions{
		Interface: ifindex, Program: d.program(h), Attach: h.tcx, Anchor: link.Head(),
	})
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.Pin(pin); err != nil {
		return fmt.Errorf("pin %s: %w", pin, err)
	}
	return nil
}

func onDevice(l link.Link, ifindex int) bool {
	info, err := l.Info()
	if err != nil {
		return false
	}
	tcx := info.TCX()
	return tcx != nil && tcx.Ifindex == uint32(ifindex)
}

// unlink takes our programs off a device that may be gone already.
func (d *Datapath) unlink(id string, ifindex int) error {
	for _, h := range allHooks {
		if err := d.unpin(id, h); err != nil {
			return err
		}
		if err := unlinkClsact(ifindex, h); err != nil {
			return fmt.Errorf("detach %s: %w", h.name, err)
		}
	}
	return nil
}

func (d *Datapath) unpin(id string, h hook) error { return unpinLink(d.pin(id, h)) }

func unpinLink(pin string) error {
	l, err := link.LoadPinnedLink(pin, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", pin, err)
	}
	defer l.Close()
	if err := l.Unpin(); err != nil {
		return fmt.Errorf("unpin %s: %w", pin, err)
	}
	return nil
}

func filter(ifindex int, h hook) *netlink.BpfFilter {
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: ifindex, Parent: h.parent, Handle: filterHandle,
			Priority: filterPref, Protocol: unix.ETH_P_ALL,
		},
		Name: filterName + h.name, DirectAction: true,
	}
}

func linkClsact(ifindex int, h hook, prog *ebpf.Program) error {
	qdisc := &netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: ifindex, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
		},
		QdiscType: "clsact",
	}
	if err := netlink.QdiscAdd(qdisc); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("add clsact to device %d: %w", ifindex, err)
	}
	f := filter(ifindex, h)
	f.Fd = prog.FD()
	if err := netlink.FilterReplace(f); err != nil {
		return fmt.Errorf("add filter to device %d: %w", ifindex, err)
	}
	return nil
}

// unlinkClsact takes our filter off a device. The qdisc stays: it does nothing by
// itself, and somebody else may be about to use it.
func unlinkClsact(ifindex int, h hook) error {
	// By its index alone: to look the device up costs more than all the rest.
	found, err := netlink.FilterList(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}, h.parent)
	if err != nil {
		return ignoreGone(err)
	}
	for _, f := range found {
		if b, ok := f.(*netlink.BpfFilter); ok && strings.HasPrefix(b.Name, filterName) {
			if err := ignoreGone(netlink.FilterDel(f)); err != nil {
				return fmt.Errorf("delete filter of device %d: %w", ifindex, err)
			}
		}
	}
	return nil
}

// ignoreGone takes the absence of a device, qdisc or filter for what it is: the
// end that was wanted.
func ignoreGone(err error) error {
	var notFound netlink.LinkNotFoundError
	if errors.As(err, &notFound) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) ||
		errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

// Remove takes everything of a datapath out of force and away: programs off
// their devices, pins out of dir. It says what it took away. Nothing there is no
// error. Interfaces that still exist are not judged afterwards.
func Remove(dir string) (removed []string, err error) {
	if dir == "" {
		dir = DefaultDir
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, fmt.Errorf("remove the datapath: %w", err)
	}
	defer lock.Close()
	var errs []error
	for _, ifindex := range pinnedDevices(dir) {
		for _, h := range hooks {
			errs = append(errs, unlinkClsact(ifindex, h))
		}
	}
	// Links before what they use, so that there is no moment in which a program
	// runs without its tables having names.
	for _, sub := range []string{filepath.Join(dir, linksDir), dir} {
		entries, err := os.ReadDir(sub)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			path := filepath.Join(sub, e.Name())
			if err := os.Remove(path); err != nil {
				errs = append(errs, err)
				continue
			}
			removed = append(removed, path)
		}
		if err := os.Remove(sub); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return removed, errors.Join(errs...)
}

// pinnedDevices returns the devices of a pinned datapath: of its interfaces and of
// the uplink.
func pinnedDevices(dir string) (out []int) {
	if m, err := ebpf.LoadPinnedMap(filepath.Join(dir, bpfobj.HedgewardMapUplink), nil); err == nil {
		var ifindex uint32
		if m.Lookup(uint32(0), &ifindex) == nil && ifindex != 0 {
			out = append(out, int(ifindex))
		}
		m.Close()
	}
	m, err := ebpf.LoadPinnedMap(filepath.Join(dir, bpfobj.HedgewardMapSlots), nil)
	if err != nil {
		return nil
	}
	defer m.Close()
	var ifindex, number uint32
	for it := m.Iterate(); it.Next(&ifindex, &number); {
		out = append(out, int(ifindex))
	}
	return out
}
