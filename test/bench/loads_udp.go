// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// count receives until everything that was ordered has come, or until nothing
// comes any more after it was told to stop: the sender may have run out of time.
func count(s *service, fd int, o order) (outcome, error) {
	// Let the sender go on when something comes: the reader runs when it is its
	// turn, with every contender alike.
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}, 0); err != nil {
		return outcome{}, fmt.Errorf("set scheduling: %w", err)
	}
	defer unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
	var got outcome
	b := make([]byte, 2048)
	for got.Count < o.Count {
		_, err := unix.Read(fd, b)
		if again(err) {
			if s.stopping.Load() {
				return got, nil
			}
			continue
		}
		if err != nil {
			return got, err
		}
		if got.Count++; got.Count&3 == 0 || s.stopping.Load() {
			got.End = now() // so that no wait in vain counts
		}
	}
	got.End = now()
	return got, nil
}

func send(o order, to unix.Sockaddr) (outcome, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return outcome{}, err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, to); err != nil {
		return outcome{}, err
	}
	b := make([]byte, payload)
	got := outcome{Start: now()}
	for until := got.Start + o.Nanos; got.Count < o.Count && !late(got.Count, until); {
		if _, err := unix.Write(fd, b); err != nil && err != unix.ECONNREFUSED {
			return got, fmt.Errorf("send: %w", err)
		}
		got.Count++
	}
	got.End = now()
	return got, nil
}

// late reports whether the time is up, looking at the clock now and then.
func late(count int, until int64) bool { return count&63 == 63 && now() > until }

// sendNew sends datagrams that differ in their source port. It writes the
// headers itself: a socket for each would be measured instead of a flow.
func sendNew(o order, to unix.Sockaddr) (outcome, error) {
	const ipHeader, udpHeader, firstPort, ports = 20, 8, 1024, 60000
	if o.Count > ports {
		return outcome{}, fmt.Errorf("%d flows, at most %d are possible", o.Count, ports)
	}
	from, err := netip.ParseAddr(o.From)
	if err != nil {
		return outcome{}, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return outcome{}, err
	}
	defer unix.Close(fd)
	p := make([]byte, ipHeader+udpHeader+payload) // the kernel fills in length, id and checksum
	p[0], p[8], p[9] = 0x45, 64, unix.IPPROTO_UDP
	src, dst := from.As4(), to.(*unix.SockaddrInet4).Addr
	copy(p[12:], src[:])
	copy(p[16:], dst[:])
	binary.BigEndian.PutUint16(p[ipHeader+2:], uint16(o.Port))
	binary.BigEndian.PutUint16(p[ipHeader+4:], udpHeader+payload) // checksum 0: none
	raw := &unix.SockaddrInet4{Addr: dst}
	got := outcome{Start: now()}
	for until := got.Start + o.Nanos; got.Count < o.Count && !late(got.Count, until); {
		binary.BigEndian.PutUint16(p[ipHeader:], uint16(firstPort+got.Count))
		if err := unix.Sendto(fd, p, 0, raw); err != nil {
			return got, fmt.Errorf("send: %w", err)
		}
		got.Count++
	}
	got.End = now()
	return got, nil
}
