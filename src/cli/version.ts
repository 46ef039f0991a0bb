/**
 * The version that the tool prints.
 *
 * @module
 */

/** The package's version; a constant, since not every way to install it ships the manifest. */
export const VERSION = "0.1.0";
