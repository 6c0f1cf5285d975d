// SPDX-License-Identifier: Apache-2.0

// Package flow holds the words in which packets are judged: direction, family,
// verdict, reason, and the decoded packet that the oracle, the tests and the
// operator's commands speak about.
//
// It decides nothing and knows neither groups nor the kernel. Anyone may
// import it.
package flow
