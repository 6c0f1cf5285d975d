// SPDX-License-Identifier: Apache-2.0

package control

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/hedgeward/hedgeward/model"
	"github.com/hedgeward/hedgeward/secgroup"
)

// vniGuard is the invariant that no two VPCs have one number between hosts.
const vniGuard = "vni"

// maxVNI is the largest number that a VXLAN header holds (RFC 7348).
const maxVNI = 1<<24 - 1

// freeVNI returns a number that no VPC has. It is drawn, so that the number of a
// VPC that was deleted does not come again while some host still knows it.
func freeVNI(tx *model.Tx) uint32 {
	tx.Guard(vniGuard)
	for {
		var b [4]byte
		rand.Read(b[:])
		if n := binary.NativeEndian.Uint32(b[:]) & maxVNI; n != 0 && !tx.VPCs.Has(model.ByVNI, model.VNIValue(n)) {
			return n
		}
	}
}

// numberVPCs gives the VPCs of an older version their numbers.
func numberVPCs(tx *model.Tx) {
	var without []*secgroup.VPC
	for v := range tx.VPCs.All() {
		if v.VNI == 0 {
			without = append(without, v)
		}
	}
	for _, v := range without {
		tx.Guard(model.ScopeID(v.Scope))
		next := *v
		next.VNI = freeVNI(tx)
		tx.VPCs.Put(&next)
	}
}
