// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
	"github.com/hedgeward/hedgeward/flow"
)

// holderDevice is the pattern of the name of the device that fragments are handed
// to. It goes with the process.
const holderDevice = "hwfrag%d"

// holder keeps fragments that come before their first one, and gives them back
// when that was judged (docs/spec/packet-semantics.md section 4.5).
type holder struct {
	device  *os.File
	ifindex int
	link    link.Link // nil: the program is a filter of the device, and goes with it
	events  *ringbuf.Reader
	queue   holderQueue
}

// HandTo says which device gets fragments that come too early: 0 is none, then they
// are dropped. Run has one of its own.
func (d *Datapath) HandTo(ifindex int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.settings
	s.Holder = uint32(ifindex)
	return d.putSettings(s)
}

// holdFragments holds fragments until ctx ends.
func (d *Datapath) holdFragments(ctx context.Context) error {
	h, err := d.newHolder()
	if err != nil {
		return fmt.Errorf("hold fragments: %w", err)
	}
	if err := d.HandTo(h.ifindex); err != nil {
		return errors.Join(err, h.close())
	}
	frames, judged := make(chan heldFragment, 64), make(chan datagram, 64)
	readers := make(chan struct{}, 2)
	go func() {
		h.readFrames(ctx, frames)
		readers <- struct{}{}
	}()
	go func() {
		h.readEvents(ctx, judged)
		readers <- struct{}{}
	}()
	h.run(ctx, frames, judged)
	err = errors.Join(d.HandTo(0), h.close())
	<-readers
	<-readers
	return err
}

func (d *Datapath) newHolder() (_ *holder, err error) {
	h := &holder{queue: newHolderQueue(d.judged)}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	name, err := h.makeDevice()
	if err != nil {
		return nil, err
	}
	dev, err := netlink.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("find device %s: %w", name, err)
	}
	h.ifindex = dev.Attrs().Index
	prog := d.progs.FromHolder
	h.link, err = link.AttachTCX(link.TCXOptions{Interface: h.ifindex, Program: prog, Attach: ebpf.AttachTCXIngress})
	if errors.Is(err, link.ErrNotSupported) {
		h.link = nil
		err = linkClsact(h.ifindex, hook{name: bpfobj.HedgewardProgFromHolder, parent: netlink.HANDLE_MIN_INGRESS}, prog)
	}
	if err != nil {
		return nil, fmt.Errorf("attach to device %s: %w", name, err)
	}
	const longest = 65521 // what a tap can have
	if err := netlink.LinkSetMTU(dev, longest); err != nil {
		return nil, fmt.Errorf("set the MTU of device %s: %w", name, err)
	}
	if err := netlink.LinkSetUp(dev); err != nil {
		return nil, fmt.Errorf("bring device %s up: %w", name, err)
	}
	if h.events, err = ringbuf.NewReader(d.HedgewardMaps.FragmentEvents); err != nil {
		return nil, fmt.Errorf("read fragment events: %w", err)
	}
	return h, nil
}

// makeDevice makes a tap that is gone when the process is.
func (h *holder) makeDevice() (name string, err error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("open /dev/net/tun (is the tun module there?): %w", err)
	}
	req, err := unix.NewIfreq(holderDevice)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return "", fmt.Errorf("make device %s: %w", holderDevice, err)
	}
	h.device = os.NewFile(uintptr(fd), req.Name())
	return req.Name(), nil
}

func (h *holder) close() error {
	var errs []error
	if h.events != nil {
		errs = append(errs, h.events.Close())
	}
	if h.link != nil {
		errs = append(errs, h.link.Close())
	}
	if h.device != nil {
		errs = append(errs, h.device.Close())
	}
	return errors.Join(errs...)
}

// run is the owner of the queue.
func (h *holder) run(ctx context.Context, frames <-chan heldFragment, judged <-chan datagram) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-frames:
			if back := h.queue.hold(f); back != nil {
				h.giveBack(back)
			}
		case of := <-judged:
			for _, f := range h.queue.release(of) {
				h.giveBack(f)
			}
		case now := <-tick.C:
			for _, f := range h.queue.expire(now) {
				h.giveBack(f)
			}
		}
	}
}

// giveBack sends a frame to the program on the device. A frame that is lost there
// is a fragment lost on the way.
func (h *holder) giveBack(frame []byte) { _, _ = h.device.Write(frame) }

// readFrames reads what the programs hand over, until the device is closed.
func (h *holder) readFrames(ctx context.Context, to chan<- heldFragment) {
	buf := make([]byte, 1<<16)
	for {
		n, err := h.device.Read(buf)
		if err != nil {
			return
		}
		f, ok := readHeld(buf[:n], time.Now())
		if !ok {
			continue // the host's own messages on a new device
		}
		select {
		case to <- f:
		case <-ctx.Done():
			return
		}
	}
}

// readEvents reads which first fragments were judged, until the reader is closed.
func (h *holder) readEvents(ctx context.Context, to chan<- datagram) {
	for {
		r, err := h.events.Read()
		if err != nil {
			return
		}
		of, ok := readEvent(r.RawSample)
		if !ok {
			continue
		}
		select {
		case to <- of:
		case <-ctx.Done():
			return
		}
	}
}

// judged reports whether the first fragment of a datagram was judged.
func (d *Datapath) judged(of datagram) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if of.place >= d.HedgewardMaps.Interfaces.MaxEntries() {
		return false // what the host's own stack sends by the device
	}
	var id [4]byte
	binary.BigEndian.PutUint32(id[:], of.id)
	key := bpfobj.HedgewardFragmentKey{
		Id: binary.NativeEndian.Uint32(id[:]), Self: d.record(of.place).Self, Proto: of.protocol, Dir: uint8(of.dir), Family: uint8(familyOf(of.src)),
	}
	key.Src.Word, key.Dst.Word = words(of.src), words(of.dst)
	var f bpfobj.HedgewardFragment
	return d.HedgewardMaps.Fragments.Lookup(&key, &f) == nil && f.Reason != 0
}

// readEvent reads struct fragment_event.
func readEvent(sample []byte) (of datagram, ok bool) {
	var e bpfobj.HedgewardFragmentEvent
	if len(sample) < binary.Size(&e) {
		return of, false
	}
	if _, err := binary.Decode(sample, binary.NativeEndian, &e); err != nil {
		return of, false
	}
	f := flow.Family(e.Key.Family)
	var id [4]byte
	binary.NativeEndian.PutUint32(id[:], e.Key.Id)
	return datagram{
		place: e.Place, dir: flow.Direction(e.Key.Dir), protocol: e.Key.Proto, id: binary.BigEndian.Uint32(id[:]),
		src: addrOf(e.Key.Src.Word, f), dst: addrOf(e.Key.Dst.Word, f),
	}, true
}
