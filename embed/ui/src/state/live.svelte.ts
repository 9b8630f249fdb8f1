const interval = 5000; // milliseconds

/**
 * Calls refresh every five seconds for as long as wanted says so, and not while
 * the tab is hidden. For the setup of a component.
 */
export function whileLive(wanted: () => boolean, refresh: () => unknown): void {
  $effect(() => {
    if (!wanted()) return;
    const timer = setInterval(() => {
      if (!document.hidden) void refresh();
    }, interval);
    return () => clearInterval(timer);
  });
}
