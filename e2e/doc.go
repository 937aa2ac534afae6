// Package e2e drives the built program from outside, as people do: it starts
// `signboard demo`, opens every page in headless Chromium, and imports nothing
// of ours. Screenshots of what it saw are left in e2e/screenshots.
package e2e
