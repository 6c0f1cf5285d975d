// SPDX-License-Identifier: Apache-2.0

package datapath_test

import (
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/hedgeward/hedgeward/datapath"
	"github.com/hedgeward/hedgeward/datapath/bpftest"
	"github.com/hedgeward/hedgeward/flow"
)

// TestTagInMetadata: PKT-H23. A tag that is pushed onto what an instance sends is kept
// beside the frame: that is a tagged frame, too, and goes nowhere.
func TestTagInMetadata(t *testing.T) {
	rig := bpftest.NewWith(t, func(c *datapath.Config) { c.Testing = false })
	a := launch(t, rig, "eni-a", 1, a1, a6)
	rig.SetPolicy(a.Interface, world(nil, outAll))
	tags, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SchedCLS, License: "MIT",
		Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R2, 0x0081), // 0x8100 in network order
			asm.Mov.Imm(asm.R3, 5),
			asm.FnSkbVlanPush.Call(),
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer tags.Close()
	a.do(t, func() error {
		below, err := netlink.LinkByName("inst" + a.Device[len("host"):])
		if err != nil {
			return err
		}
		l, err := link.AttachTCX(link.TCXOptions{Interface: below.Attrs().Index, Program: tags, Attach: ebpf.AttachTCXEgress})
		if err != nil {
			return err
		}
		defer l.Close()
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		f := udp(a1+":1", h1+":2").SourceMAC(a.MAC)
		return unix.Sendto(fd, f.Bytes, 0, &unix.SockaddrLinklayer{Ifindex: below.Attrs().Index})
	})
	for end := time.Now().Add(10 * time.Second); rig.Status(a.Interface).Packets[flow.Egress][flow.ReasonEthertype] == 0; {
		if time.Now().After(end) {
			t.Fatalf("the tagged frame was judged as %v", rig.Status(a.Interface).Packets[flow.Egress])
		}
	}
	if n := rig.Status(a.Interface).Packets[flow.Egress][flow.ReasonRule]; n != 0 {
		t.Errorf("%d packets went on", n)
	}
}
