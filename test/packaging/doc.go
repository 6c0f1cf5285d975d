// SPDX-License-Identifier: Apache-2.0

// Package packaging builds the packages that operators install, installs them in a
// copy of this machine's root that is gone afterwards, and runs what is in them.
// It changes nothing on the machine and knows nothing of the programs but their
// names.
package packaging
