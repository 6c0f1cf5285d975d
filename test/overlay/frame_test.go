// SPDX-License-Identifier: Apache-2.0

package overlay

import (
	"encoding/binary"
	"net/netip"
)

// datagram returns an Ethernet frame with a UDP datagram of four bytes between two
// IPv4 addresses, from port 6000 to port 5000.
func datagram(from, to string) []byte {
	src, dst := netip.MustParseAddr(from).As4(), netip.MustParseAddr(to).As4()
	ip := []byte{0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0}
	ip = append(append(ip, src[:]...), dst[:]...)
	var sum uint32
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	sum = sum&0xffff + sum>>16
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum&0xffff+sum>>16))
	frame := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0}
	frame = append(frame, ip...)
	udp := []byte{6000 >> 8, 6000 & 0xff, 5000 >> 8, 5000 & 0xff, 0, 12, 0, 0} // no checksum
	return append(append(frame, udp...), "ping"...)
}
