/**
 * A value that makes a create safe to repeat. crypto.randomUUID would do, and
 * does not exist where a page came without TLS.
 */
export function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}
