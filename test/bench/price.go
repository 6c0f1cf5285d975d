// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// What the programs do most, alone: the least that a packet can cost that needs
// it. Tables are as large as those of a datapath.
const (
	priceEntries = 256 << 10
	priceKey     = 24 // bytes, of a flow's key
	priceValue   = 32
	priceRepeats = 16 // lookups in one run
)

// priceRows times single steps, net of an empty program.
func priceRows(section string, empty float64, n int) (rows []row, err error) {
	for _, p := range []struct {
		name   string
		kind   ebpf.MapType
		flags  uint32
		insert bool
	}{
		{"the price of a lookup in an array", ebpf.Array, 0, false},
		{"the price of a lookup by a flow's key", ebpf.Hash, 0, false},
		{"the price of a longest prefix, of 1,000", ebpf.LPMTrie, 1, false}, // BPF_F_NO_PREALLOC
		{"the price of an insertion, cold", ebpf.Hash, 0, true},
	} {
		ns, err := price(p.kind, p.flags, p.insert, n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		if p.insert {
			ns -= empty
		} else {
			ns = (ns - empty) / priceRepeats
		}
		rows = append(rows, row{Section: section, Name: p.name, Value: max(ns, 0.01), Ratio: ns / empty, Against: "the empty one", Figures: nanos(ns)})
	}
	return rows, nil
}

func price(kind ebpf.MapType, flags uint32, insert bool, n int) (ns float64, err error) {
	spec := &ebpf.MapSpec{Type: kind, KeySize: priceKey, ValueSize: priceValue, MaxEntries: priceEntries, Flags: flags}
	if kind == ebpf.Array {
		spec.KeySize = 4
	}
	table, err := ebpf.NewMap(spec)
	if err != nil {
		return 0, err
	}
	defer table.Close()
	if err := stockPrice(table, kind); err != nil {
		return 0, err
	}
	serial, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return 0, err
	}
	defer serial.Close()
	code := lookups(table, int16(spec.KeySize))
	if insert {
		code, n = insertion(table, serial), min(n, priceEntries-chunk)
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: code})
	if err != nil {
		return 0, err
	}
	defer p.Close()
	return times(p, 1, make([]byte, 64), n)
}

// stockPrice puts something into a table in which it is of interest.
func stockPrice(table *ebpf.Map, kind ebpf.MapType) error {
	var errs []error
	for i := range 1000 {
		if kind != ebpf.LPMTrie {
			break
		}
		key := make([]byte, priceKey) // the length, the number of a policy, 16 bytes of address
		key[0], key[8], key[9], key[10] = 32+24, 172, byte(16+i>>8), byte(i)
		errs = append(errs, table.Put(key, make([]byte, priceValue)))
	}
	return errors.Join(errs...)
}

// zeros writes a key of zeros to the stack; of a prefix, it asks for the whole address.
func zeros(at int16) (code asm.Instructions) {
	for off := -at; off < 0; off += 4 {
		code = append(code, asm.StoreImm(asm.RFP, off, 0, asm.Word))
	}
	return code
}

func lookups(table *ebpf.Map, key int16) asm.Instructions {
	code := zeros(key)
	if table.Type() == ebpf.LPMTrie {
		code = append(code, asm.StoreImm(asm.RFP, -key, 32+32, asm.Word), asm.StoreImm(asm.RFP, -key+8, 0x000110ac, asm.Word))
	}
	for range priceRepeats {
		code = append(code,
			asm.LoadMapPtr(asm.R1, table.FD()), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, int32(-key)),
			asm.FnMapLookupElem.Call())
	}
	return append(code, asm.Mov.Imm(asm.R0, 0), asm.Return())
}

// insertion inserts a key that no run before had.
func insertion(table, serial *ebpf.Map) asm.Instructions {
	const key, value = priceKey, priceKey + priceValue
	code := zeros(value)
	return append(code,
		asm.LoadMapPtr(asm.R1, serial.FD()), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -value),
		asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "out"),
		asm.LoadMem(asm.R3, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R3, 1), asm.StoreMem(asm.R0, 0, asm.R3, asm.DWord),
		asm.StoreMem(asm.RFP, -key, asm.R3, asm.DWord),
		asm.LoadMapPtr(asm.R1, table.FD()), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -key),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -value), asm.Mov.Imm(asm.R4, 1), // BPF_NOEXIST
		asm.FnMapUpdateElem.Call(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return())
}
