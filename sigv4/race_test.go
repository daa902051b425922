//go:build race

package sigv4_test

const raceDetector = true // everything takes many times as long
