// SPDX-License-Identifier: Apache-2.0

package datapath

import (
	"fmt"
	"time"

	"github.com/hedgeward/hedgeward/datapath/internal/bpfobj"
)

// Settings are what holds for all interfaces: the points of
// docs/spec/packet-semantics.md that can be set, and what the host serves. The zero
// value is what the specification says by default.
type Settings struct {
	NoRelated       bool // icmp_related=off: ICMP errors about tracked flows need a rule (3.4)
	NoPathMTU       bool // icmp_path_mtu=off: so do path-MTU errors about untracked ones (3.4)
	FragmentContext bool // frag_mode=context instead of reassemble (4.5)
	FragmentLimit   int  // egress fragments per second and interface; 0 is no limit (3.8)

	// Grace is for how long after a loss of state TCP data that rules admit may
	// begin flows: ct_grace (3.10). It begins when Configure is called.
	Grace time.Duration

	// Serves are the local services (4.1) for which packets go to the device that
	// ServeBy names. Those of the others are dropped, after they were judged exempt.
	Serves Service
}

// Service is a set of the local services of section 4.1. Its bits are those of
// enum service in bpf/exempt.h.
type Service uint32

const (
	ServiceDNS Service = 1 << iota
	ServiceMetadata
	ServiceTaskMetadata
	ServiceActivation
	ServiceTime
)

// Configure puts settings in force for all interfaces, from the next packet on.
func (d *Datapath) Configure(s Settings) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, err := kernelNow(d.progs.Clock)
	if err != nil {
		return err
	}
	value := bpfobj.HedgewardSettings{FragmentLimit: uint32(max(s.FragmentLimit, 0)), Served: uint32(s.Serves), Holder: d.settings.Holder, Services: d.settings.Services}
	for bit, set := range map[uint32]bool{switchNoRelated: s.NoRelated, switchNoPathMTU: s.NoPathMTU, switchFragmentContext: s.FragmentContext} {
		if set {
			value.Switches |= bit
		}
	}
	if s.Grace > 0 {
		value.GraceUntil = max(now+jiffies(s.Grace, d.hz), 1) // 0 is none
	}
	return d.putSettings(value)
}

// adoptSettings reads what is in force. Who held fragments is gone.
func (d *Datapath) adoptSettings() error {
	if err := d.HedgewardMaps.Host.Lookup(uint32(0), &d.settings); err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	if d.settings.Holder == 0 {
		return nil
	}
	d.settings.Holder = 0
	return d.putSettings(d.settings)
}

// putSettings writes what holds for all interfaces.
func (d *Datapath) putSettings(value bpfobj.HedgewardSettings) error {
	if err := d.HedgewardMaps.Host.Put(uint32(0), &value); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	d.settings = value
	return nil
}

// Bits of struct settings, as bpf/layout.h has them.
const (
	switchNoRelated       = 1
	switchNoPathMTU       = 2
	switchFragmentContext = 4
)
