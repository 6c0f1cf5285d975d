// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Interface is one network interface as the instance shall see it.
type Interface struct {
	ID          string           // eni-…
	DeviceIndex int              // 0 is eth0
	MAC         net.HardwareAddr // of the instance's end
	Addresses   []netip.Prefix   // each with its subnet's length; per family the primary first
	Prefixes    []netip.Prefix   // every address in them is the instance's, too
	// Gateways are the routers, at most one per family. A family's default
	// route goes through the interface with the lowest device index that has
	// one.
	Gateways []netip.Addr
}

// Spec is an instance as it is wanted.
type Spec struct {
	ID         string // i-…
	Hostname   string // what HOSTNAME says to programs inside; "" is EC2's choice, see hostname
	Interfaces []Interface
	UserData   []byte // run at first boot if it starts with "#!", otherwise not used
	FirstBoot  bool   // user data may run; it runs once however often Ensure is called
	Reboots    int    // how often it was rebooted so far
	// Program is a command with its arguments that runs inside as long as the
	// instance does; none when empty. Ensure starts it when it does not run.
	Program []string
	// Translates makes the instance pass on what it gets, under its own first IPv4
	// address: a NAT gateway.
	Translates bool
	// Ended is called when the program that Ensure started, or found, has ended.
	// nil: nobody wants to know.
	Ended func()
}

const (
	owner        = "hedgeward" // first word of every mark
	namespaceDir = "/run/netns"
	namePrefix   = owner + "-"
	devicePrefix = "hw"
	deviceDigits = 13 // with the prefix 15 characters, the longest name Linux allows
)

// The driver makes paths and device names out of ids, so it takes no other form.
var (
	instanceID  = regexp.MustCompile(`^i-[0-9a-f]{1,17}$`)
	interfaceID = regexp.MustCompile(`^eni-[0-9a-f]{1,17}$`)
	hostName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,62})$`)
)

// NamespaceName returns the name of an instance's namespace as `ip netns` shows
// it.
func NamespaceName(id string) string { return namePrefix + id }

func namespacePath(id string) string { return filepath.Join(namespaceDir, NamespaceName(id)) }

// DeviceName returns the name of the host's end of an interface: "hw" and the
// last 13 digits of its id. Ids carry 17 random hexadecimal digits, so the name
// keeps 52 bits: with 10,000 interfaces on one host the chance that any two
// share a name is one in 90 million. If it happens the second interface is
// refused; the alias of a device carries the whole id.
func DeviceName(interfaceID string) string {
	digits := strings.TrimPrefix(interfaceID, "eni-")
	if len(digits) > deviceDigits {
		digits = digits[len(digits)-deviceDigits:]
	}
	return devicePrefix + digits
}

// insideName returns the name of the instance's end.
func insideName(deviceIndex int) string { return "eth" + strconv.Itoa(deviceIndex) }

// deviceMark is the alias of the host's end of an interface.
func deviceMark(interfaceID, instanceID string) string {
	return owner + " " + interfaceID + " " + instanceID
}

// parseDeviceMark returns what the alias of a host device says, and whether it
// is one of ours.
func parseDeviceMark(alias string) (iface, instance string, ok bool) {
	words := strings.Split(alias, " ")
	if len(words) != 3 || words[0] != owner || !interfaceID.MatchString(words[1]) || !instanceID.MatchString(words[2]) {
		return "", "", false
	}
	return words[1], words[2], true
}

// namespaceMark is the alias of the loopback device of an instance.
func namespaceMark(id, host string) string {
	return strings.TrimSuffix(owner+" "+id+" "+host, " ")
}

// parseNamespaceMark returns what the alias of a loopback device says, and
// whether it is one of ours.
func parseNamespaceMark(alias string) (id, host string, ok bool) {
	words := strings.Split(alias, " ")
	if len(words) < 2 || len(words) > 3 || words[0] != owner || !instanceID.MatchString(words[1]) {
		return "", "", false
	}
	if len(words) == 3 {
		host = words[2]
	}
	return words[1], host, true
}

func checkID(id string) error {
	if !instanceID.MatchString(id) {
		return fmt.Errorf("instance id %q is not of the form i-0123456789abcdef0", id)
	}
	return nil
}

// check reports the first thing in s that no instance can be made of.
func (s *Spec) check() error {
	if err := checkID(s.ID); err != nil {
		return err
	}
	if s.Hostname != "" && !hostName.MatchString(s.Hostname) {
		return fmt.Errorf("instance %s: host name %q is not letters, digits, dots and hyphens", s.ID, s.Hostname)
	}
	indexes, names := map[int]string{}, map[string]string{}
	for _, i := range s.Interfaces {
		if err := i.check(); err != nil {
			return fmt.Errorf("instance %s: %w", s.ID, err)
		}
		if other, taken := indexes[i.DeviceIndex]; taken {
			return fmt.Errorf("instance %s: %s and %s both have device index %d", s.ID, other, i.ID, i.DeviceIndex)
		}
		if other, taken := names[DeviceName(i.ID)]; taken {
			return fmt.Errorf("instance %s: %s and %s share the device name %s", s.ID, other, i.ID, DeviceName(i.ID))
		}
		indexes[i.DeviceIndex], names[DeviceName(i.ID)] = i.ID, i.ID
	}
	return nil
}

func (i *Interface) check() error {
	if !interfaceID.MatchString(i.ID) {
		return fmt.Errorf("interface id %q is not of the form eni-0123456789abcdef0", i.ID)
	}
	if i.DeviceIndex < 0 || i.DeviceIndex > 999 {
		return fmt.Errorf("interface %s: device index %d is not in 0-999", i.ID, i.DeviceIndex)
	}
	if len(i.MAC) != 6 || i.MAC[0]&1 != 0 {
		return fmt.Errorf("interface %s: %q is not the address of one Ethernet station", i.ID, i.MAC)
	}
	for _, a := range i.Addresses {
		if !a.IsValid() || a.Addr().Is4In6() {
			return fmt.Errorf("interface %s: invalid address %s", i.ID, a)
		}
	}
	for _, p := range i.Prefixes {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("interface %s: invalid prefix %s", i.ID, p)
		}
	}
	families := map[bool]bool{}
	for _, g := range i.Gateways {
		if !g.IsValid() || g.Is4In6() || families[g.Is4()] {
			return fmt.Errorf("interface %s: gateways %v are not one valid address per family", i.ID, i.Gateways)
		}
		families[g.Is4()] = true
	}
	return nil
}

// hostname returns the host name or, if there is none, the name that EC2 gives:
// ip-10-0-0-4 after the primary IPv4 address, the instance's id without one.
func (s *Spec) hostname() string {
	if s.Hostname != "" {
		return s.Hostname
	}
	for _, i := range s.ordered() {
		for _, p := range i.Addresses {
			if p.Addr().Is4() {
				return "ip-" + strings.ReplaceAll(p.Addr().String(), ".", "-")
			}
		}
	}
	return s.ID
}

// ordered returns the interfaces by device index.
func (s *Spec) ordered() []Interface {
	return slices.SortedFunc(slices.Values(s.Interfaces), func(a, b Interface) int {
		return cmp.Compare(a.DeviceIndex, b.DeviceIndex)
	})
}
