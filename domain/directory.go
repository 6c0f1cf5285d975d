// SPDX-License-Identifier: Apache-2.0

package domain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// What the directory is asked: its root entry's defaultNamingContext, which says of
// which domain it is, without logging on (RFC 4511 sections 4.1 and 4.5, RFC 4512
// section 5.1).
const (
	namingContext = "defaultNamingContext"
	longestAnswer = 64 << 10
	askAgain      = time.Second // over UDP
)

// BER tags of LDAP messages.
const (
	tagBoolean, tagInteger, tagOctets, tagEnumerated = 0x01, 0x02, 0x04, 0x0a
	tagSequence, tagSet                              = 0x30, 0x31
	tagSearch, tagEntry, tagPresent                  = 0x63, 0x64, 0x87
)

var errShort = errors.New("it ends early")

// question is the search request, the only one on its connection.
var question = tlv(tagSequence, tlv(tagInteger, []byte{1}), tlv(tagSearch,
	tlv(tagOctets), tlv(tagEnumerated, []byte{0}), tlv(tagEnumerated, []byte{0}), // the root entry alone
	tlv(tagInteger, []byte{0}), tlv(tagInteger, []byte{0}), tlv(tagBoolean, []byte{0}),
	tlv(tagPresent, []byte("objectClass")), tlv(tagSequence, tlv(tagOctets, []byte(namingContext)))))

// tlv encodes an element of less than 128 bytes.
func tlv(tag byte, parts ...[]byte) []byte {
	out := []byte{tag, 0}
	for _, p := range parts {
		out = append(out, p...)
	}
	out[1] = byte(len(out) - 2)
	return out
}

// element takes the first element off b. Lengths may have more bytes than they need,
// as controllers write them. It returns errShort if b ends before the element does.
func element(b []byte) (tag byte, body, rest []byte, err error) {
	if len(b) < 2 {
		return 0, nil, nil, errShort
	}
	tag, n, b := b[0], int(b[1]), b[2:]
	if n >= 0x80 {
		size := n - 0x80
		if size == 0 || size > 4 {
			return 0, nil, nil, fmt.Errorf("a length of %d bytes", size)
		}
		if len(b) < size {
			return 0, nil, nil, errShort
		}
		n = 0
		for _, c := range b[:size] {
			n = n<<8 | int(c)
		}
		b = b[size:]
	}
	if n > longestAnswer {
		return 0, nil, nil, fmt.Errorf("an element of %d bytes", n)
	}
	if len(b) < n {
		return 0, nil, nil, errShort
	}
	return tag, b[:n], b[n:], nil
}

// inside takes the first element off b, which must have that tag.
func inside(b []byte, want byte) (body, rest []byte, err error) {
	tag, body, rest, err := element(b)
	if err == nil && tag != want {
		err = fmt.Errorf("tag %#x where %#x is due", tag, want)
	}
	return body, rest, err
}

// contextOf returns the naming context that an answer tells.
func contextOf(answer []byte) (string, error) {
	message, _, err := inside(answer, tagSequence)
	if err != nil {
		return "", err
	}
	_, message, err = inside(message, tagInteger)
	if err != nil {
		return "", err
	}
	entry, _, err := inside(message, tagEntry)
	if err != nil {
		return "", err
	}
	if _, entry, err = inside(entry, tagOctets); err != nil {
		return "", err
	}
	attributes, _, err := inside(entry, tagSequence)
	for err == nil && len(attributes) > 0 {
		var attribute, name, values, value []byte
		if attribute, attributes, err = inside(attributes, tagSequence); err != nil {
			break
		}
		if name, attribute, err = inside(attribute, tagOctets); err != nil {
			break
		}
		if !strings.EqualFold(string(name), namingContext) {
			continue
		}
		if values, _, err = inside(attribute, tagSet); err != nil {
			break
		}
		value, _, err = inside(values, tagOctets)
		return string(value), err
	}
	if err == nil {
		err = errors.New("it tells no " + namingContext)
	}
	return "", err
}

// contextFor returns the naming context of a domain: DC=corp,DC=example,DC=com.
func contextFor(name string) string {
	return "DC=" + strings.ReplaceAll(strings.TrimSuffix(name, "."), ".", ",DC=")
}

// askDirectory sees that the directory at the address is that of the domain.
func askDirectory(ctx context.Context, network, address, name string) error {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var answer []byte
	if network == "udp" {
		answer, err = askByDatagram(conn)
	} else {
		answer, err = askByStream(conn)
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("no answer")
		}
		return err
	}
	got, err := contextOf(answer)
	switch {
	case err != nil:
		return fmt.Errorf("the answer is none of a directory: %w", err)
	case !strings.EqualFold(got, contextFor(name)):
		return fmt.Errorf("it is the directory of %q, not of %q", got, contextFor(name))
	}
	return nil
}

func askByStream(conn net.Conn) ([]byte, error) {
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	answer := make([]byte, 0, 512)
	for len(answer) < longestAnswer {
		part := make([]byte, 512)
		n, err := conn.Read(part)
		answer = append(answer, part[:n]...)
		if _, _, _, short := element(answer); !errors.Is(short, errShort) {
			return answer, nil
		}
		if errors.Is(err, io.EOF) {
			err = errShort
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("an answer of more than %d bytes", longestAnswer)
}

// askByDatagram asks until something answers or the connection is closed.
func askByDatagram(conn net.Conn) ([]byte, error) {
	answer := make([]byte, longestAnswer)
	for {
		if _, err := conn.Write(question); err != nil {
			return nil, err
		}
		if err := conn.SetReadDeadline(time.Now().Add(askAgain)); err != nil {
			return nil, err
		}
		n, err := conn.Read(answer)
		if late := (net.Error)(nil); errors.As(err, &late) && late.Timeout() {
			continue
		}
		return answer[:n], err
	}
}
