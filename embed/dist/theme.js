// Runs before the first paint, so that a chosen theme never flashes the other.
(function () {
  try {
    var theme = localStorage.getItem("maestro.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (_) {
    // Storage is switched off: the system's theme stands.
  }
})();
