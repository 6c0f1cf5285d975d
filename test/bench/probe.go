// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/hedgeward/hedgeward/datapath"
)

// probe asks the program at an interface what becomes of a packet.
type probe struct {
	program *ebpf.Program // the pinned, attached one that packets to the instance meet
	ifindex int
	mac     net.HardwareAddr
	address netip.Addr
	port    int // of the last packet's sender: each begins a flow of its own
}

// newProbe returns the probe of the first enforced interface but one.
func (i *installation) newProbe(but string) (*probe, error) {
	states, err := i.datapath.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, s := range states {
		row := i.model.Snapshot().Interfaces.Get(s.ID)
		if row == nil || row.ID == but {
			continue
		}
		p := &probe{ifindex: s.Ifindex, address: row.Addresses[0], port: 1024}
		if p.mac, err = net.ParseMAC(row.MAC); err != nil {
			return nil, err
		}
		p.program, err = pinnedProgram(i.Pins, s.ID, "to_instance")
		return p, err
	}
	return nil, errors.New("no interface is enforced")
}

// pinnedProgram returns the program that is attached to an interface.
func pinnedProgram(pins, eni, name string) (*ebpf.Program, error) {
	path := filepath.Join(pins, "links", eni+"_"+name)
	pinned, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer pinned.Close()
	info, err := pinned.Info()
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	return ebpf.NewProgramFromID(info.Program)
}

// passes reports whether a first UDP packet from an address to a port passes.
func (p *probe) passes(from netip.Addr, port int) (bool, error) {
	if p.port++; p.port > 65000 {
		p.port = 1024
	}
	f := frame(from, p.address, datapath.RouterMAC, p.mac, p.port, port)
	verdict, err := p.program.Run(&ebpf.RunOptions{Data: f, Context: &skbuff{Ifindex: uint32(p.ifindex)}})
	const shot = 2 // TC_ACT_SHOT of linux/pkt_cls.h
	return err == nil && verdict != shot, err
}

// until runs packets until they pass, or no longer do.
func (p *probe) until(ctx context.Context, pass bool, from netip.Addr, port int) error {
	for begun := time.Now(); ; {
		got, err := p.passes(from, port)
		if err != nil || got == pass {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if time.Since(begun) > 5*time.Second {
			return fmt.Errorf("packets from %s to port %d pass: %v, five seconds after the answer", from, port, got)
		}
	}
}
