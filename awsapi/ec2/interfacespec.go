// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// parseAddressing reads the addresses that a new interface is to have. Of a list
// without a primary the first address is the primary
// (docs/spec/ec2-api.md section 5.1).
func parseAddressing(primary *string, list []ec2types.PrivateIpAddressSpecification, more *int32, ipv6 []ec2types.InstanceIpv6Address, moreIPv6 *int32) (a control.Addressing, err error) {
	if deref(primary) != "" {
		if a.Primary, err = parseAddress(*primary, netip.Addr.Is4); err != nil {
			return a, err
		}
	}
	if more != nil && len(list) > 0 {
		return a, secgroup.Errorf("InvalidParameterCombination",
			"The parameter secondaryPrivateIpAddressCount cannot be used with the parameter privateIpAddresses")
	}
	for _, item := range list {
		if deref(item.PrivateIpAddress) == "" {
			return a, missing("privateIpAddress")
		}
		address, err := parseAddress(*item.PrivateIpAddress, netip.Addr.Is4)
		if err != nil {
			return a, err
		}
		switch {
		case !deref(item.Primary):
			a.Secondary = append(a.Secondary, address)
		case a.Primary.IsValid():
			return a, secgroup.Errorf("InvalidParameterCombination", "Only one primary private IP address can be specified.")
		default:
			a.Primary = address
		}
	}
	if !a.Primary.IsValid() && len(a.Secondary) > 0 {
		a.Primary, a.Secondary = a.Secondary[0], a.Secondary[1:]
	}
	if a.MoreIPv4, err = parseCount("secondaryPrivateIpAddressCount", more); err != nil {
		return a, err
	}
	if moreIPv6 != nil {
		if len(ipv6) > 0 {
			return a, secgroup.Errorf("InvalidParameterCombination",
				"The parameter ipv6AddressCount cannot be used with the parameter ipv6Addresses")
		}
		n, err := parseCount("ipv6AddressCount", moreIPv6)
		if err != nil {
			return a, err
		}
		a.MoreIPv6 = &n
	}
	for _, item := range ipv6 {
		if deref(item.IsPrimaryIpv6) {
			return a, errUnsupported
		}
		address, err := parseAddress(deref(item.Ipv6Address), plainIPv6)
		if err != nil {
			return a, err
		}
		a.IPv6 = append(a.IPv6, address)
	}
	return a, nil
}

func parseAddress(text string, family func(netip.Addr) bool) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || !family(a) {
		return netip.Addr{}, secgroup.Errorf("InvalidParameterValue", "invalid value for parameter address: %s", text)
	}
	return a, nil
}

// plainIPv6 reports whether an interface can have the IPv6 address.
func plainIPv6(a netip.Addr) bool { return a.Is6() && !a.Is4In6() && a.Zone() == "" }

func parseCount(parameter string, n *int32) (int, error) {
	if deref(n) < 0 {
		return 0, secgroup.Errorf("InvalidParameterValue", "Value (%d) for parameter %s is invalid. Expecting a value greater than or equal to 0.", *n, parameter)
	}
	return int(deref(n)), nil
}

// parseTracking reads connection tracking timeouts, in seconds; nil for none.
func parseTracking(in *ec2types.ConnectionTrackingSpecificationRequest) (*secgroup.Tracking, error) {
	if in == nil {
		return nil, nil
	}
	var out secgroup.Tracking
	for _, f := range []struct {
		name     string
		given    *int32
		min, max int32
		field    *int
	}{
		{"tcpEstablishedTimeout", in.TcpEstablishedTimeout, 60, 432000, &out.TCPEstablished},
		{"udpStreamTimeout", in.UdpStreamTimeout, 60, 180, &out.UDPStream},
		{"udpTimeout", in.UdpTimeout, 30, 60, &out.UDP},
	} {
		if f.given == nil {
			continue
		}
		if *f.given < f.min || *f.given > f.max {
			return nil, secgroup.Errorf("InvalidParameterValue",
				"Value (%d) for parameter %s is invalid. Expecting a value from %d to %d.", *f.given, f.name, f.min, f.max)
		}
		*f.field = int(*f.given)
	}
	if out == (secgroup.Tracking{}) {
		return nil, nil
	}
	return &out, nil
}

// checkInterfaceType admits the one kind of interface that there is.
func checkInterfaceType(kind *string) error {
	switch deref(kind) {
	case "", interfaceType:
		return nil
	case "efa", "efa-only", "branch", "trunk":
		return errUnsupported
	}
	return secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter interfaceType is invalid.", *kind)
}

// interfaceType is the interfaceType of interfaces that no service manages, and of
// streaming instances.
const interfaceType = "interface"

// maxDeviceIndex is the highest number that the name of a device can carry.
const maxDeviceIndex = 999

func checkDeviceIndex(index int32) error {
	if index < 0 || index > maxDeviceIndex {
		return secgroup.Errorf("InvalidParameterValue", "Value (%d) for parameter deviceIndex is invalid. Expecting a value from 0 to %d.", index, maxDeviceIndex)
	}
	return nil
}

// maxClientToken is the length of a client token, in ASCII characters.
const maxClientToken = 64

// clientToken reads the ClientToken of the request in, a pointer to a generated
// type that has one, and identifies the rest of the request
// (docs/spec/ec2-api.md section 1.7).
func clientToken(in any) (control.ClientToken, error) {
	request := reflect.ValueOf(in).Elem()
	token := deref(request.FieldByName("ClientToken").Interface().(*string))
	if token == "" {
		return control.ClientToken{}, nil
	}
	if len(token) > maxClientToken || !isASCII(token) {
		return control.ClientToken{}, secgroup.Errorf("InvalidParameterValue",
			"Value (%s) for parameter clientToken is invalid. Expecting at most %d ASCII characters.", token, maxClientToken)
	}
	rest := reflect.New(request.Type()).Elem()
	rest.Set(request)
	rest.FieldByName("ClientToken").SetZero()
	rest.FieldByName("DryRun").SetZero()
	text, err := json.Marshal(rest.Interface())
	if err != nil {
		panic(fmt.Sprintf("ec2: a %s has no text: %v", request.Type(), err)) // generated types always have
	}
	sum := sha256.Sum256(text)
	return control.ClientToken{Value: token, Request: hex.EncodeToString(sum[:])}, nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
