// SPDX-License-Identifier: Apache-2.0

// Package libvirt has the interfaces of libvirt's domains enforced, as the hook that
// libvirt runs when a domain starts and stops (docs/libvirt.md). It reads what the
// domain says in its metadata and asks the host's socket (package attach); it never
// speaks to libvirt, which waits for the hook, and touches no device.
package libvirt

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
)

// Namespace is that of the elements in a domain's metadata.
const Namespace = "urn:hedgeward:libvirt:1"

// Domain is what a domain's XML says that matters here.
type Domain struct {
	Name, UUID string
	// Marked says that the domain has an element of ours, so that each of its
	// interfaces must be enforced.
	Marked  bool
	Devices []Device
	Wanted  []Wanted
}

// Device is a network interface of the domain.
type Device struct {
	Kind   string // network, bridge, ethernet and so on
	MAC    string // in small letters
	Target string // the device of the host; "" if libvirt made none, or not yet
	Passed bool   // it is a macvtap of a NIC of the host
}

// Wanted says which network interface a device of a MAC address is.
type Wanted struct {
	MAC    string // in small letters
	ENI    string // one that exists
	Subnet string // one that is made, with Groups and Addresses
	Groups []string
	// Addresses are those of the machine; none: a free one, which the machine must
	// learn by itself.
	Addresses []string
}

// What a domain's XML may be at most, far above what libvirt writes. It comes from
// whoever may define domains.
const (
	maxBytes   = 8 << 20
	maxDepth   = 64
	maxDevices = 256
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// errTooLarge refuses XML that is none of a domain's.
var errTooLarge = fmt.Errorf("more than %d bytes, %d levels or %d interfaces", maxBytes, maxDepth, maxDevices)

// Read reads the XML of a domain as libvirt gives it to its hooks. Elements that are
// not ours and do not matter here are passed over; of ours, what is not documented is
// refused.
func Read(in io.Reader) (*Domain, error) {
	d := new(Domain)
	limited := &io.LimitedReader{R: in, N: maxBytes + 1}
	decoder := xml.NewDecoder(limited)
	var path []string // of the open elements; ours begin with "hedgeward:"
	for {
		token, err := decoder.Token()
		switch {
		case limited.N <= 0:
			return nil, errTooLarge
		case errors.Is(err, io.EOF) && d.Name != "" && uuid.MatchString(d.UUID):
			return d, nil
		case errors.Is(err, io.EOF):
			return nil, errors.New("it has no domain with a name and a uuid")
		case err != nil:
			return nil, err
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, errors.New("it has a document type, which libvirt never writes")
		case xml.StartElement:
			name := t.Name.Local
			if t.Name.Space == Namespace {
				name = "hedgeward:" + name
			} else if t.Name.Space != "" {
				name = "other:" + name
			}
			if path = append(path, name); len(path) > maxDepth {
				return nil, errTooLarge
			}
			if err := d.begin(strings.Join(path, "/"), t.Attr); err != nil {
				return nil, err
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			switch strings.Join(path, "/") {
			case "domain/name":
				d.Name += string(t)
			case "domain/uuid":
				d.UUID += string(t)
			}
		}
	}
}

// begin takes the start of an element.
func (d *Domain) begin(path string, attributes []xml.Attr) error {
	last := func() *Device { return &d.Devices[len(d.Devices)-1] }
	switch path {
	case "domain/devices/interface":
		d.Devices = append(d.Devices, Device{Kind: attribute(attributes, "type")})
	case "domain/devices/interface/mac":
		last().MAC = strings.ToLower(attribute(attributes, "address"))
	case "domain/devices/interface/target":
		last().Target = attribute(attributes, "dev")
	case "domain/devices/interface/source":
		last().Passed = attribute(attributes, "mode") != ""
	case "domain/metadata/hedgeward:interfaces":
		d.Marked = true
	case "domain/metadata/hedgeward:interfaces/hedgeward:interface":
		w, err := wanted(attributes)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(d.Wanted, func(other Wanted) bool { return other.MAC == w.MAC }) {
			return fmt.Errorf("metadata: the interface with MAC address %s is there twice", w.MAC)
		}
		d.Wanted = append(d.Wanted, w)
	default:
		if strings.Contains(path, "hedgeward:") {
			return fmt.Errorf("metadata: %s is not understood; write <interfaces xmlns=%q> with an <interface mac=… eni=…/> for each", path, Namespace)
		}
	}
	if len(d.Devices) > maxDevices || len(d.Wanted) > maxDevices {
		return errTooLarge
	}
	return nil
}

func attribute(all []xml.Attr, name string) string {
	for _, a := range all {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// wanted reads an element of ours.
func wanted(attributes []xml.Attr) (w Wanted, err error) {
	for _, a := range attributes {
		switch a.Name.Local {
		case "mac":
			w.MAC = strings.ToLower(a.Value)
		case "eni":
			w.ENI = a.Value
		case "subnet":
			w.Subnet = a.Value
		case "groups":
			w.Groups = listed(a.Value)
		case "addresses":
			w.Addresses = listed(a.Value)
		case "xmlns":
		default:
			if a.Name.Space != "xmlns" {
				return w, fmt.Errorf("metadata: an interface has no attribute %q; it has mac, and eni or subnet, groups and addresses", a.Name.Local)
			}
		}
	}
	switch mac, err := net.ParseMAC(w.MAC); {
	case err != nil || len(mac) != 6 || mac.String() != w.MAC:
		return w, fmt.Errorf("metadata: %q is no MAC address as libvirt writes it; an interface is found by its own", w.MAC)
	case (w.ENI == "") == (w.Subnet == ""):
		return w, fmt.Errorf("metadata: the interface with MAC address %s wants eni=\"eni-…\" for one that exists, or subnet=\"subnet-…\" for a new one", w.MAC)
	case w.ENI != "" && len(w.Groups)+len(w.Addresses) > 0:
		return w, fmt.Errorf("metadata: %s has its groups and addresses already; change them through the API", w.ENI)
	}
	return w, nil
}

// listed returns the elements of a list with commas.
func listed(text string) (out []string) {
	for element := range strings.SplitSeq(text, ",") {
		if element = strings.TrimSpace(element); element != "" {
			out = append(out, element)
		}
	}
	return out
}
