// Before the first paint: the theme and language chosen earlier, so that nothing flashes.
// A classic script on purpose; a module would run after the page is painted.
{
  const root = document.documentElement;
  let theme = '';
  let language = '';
  try {
    theme = localStorage.getItem('parlor.theme') ?? '';
    language = localStorage.getItem('parlor.language') ?? '';
  } catch {
    // Storage is blocked: the system's theme and the browser's language will do.
  }
  if (theme === 'dark' || theme === 'light') root.dataset.theme = theme;
  root.lang = (language || navigator.language).toLowerCase().startsWith('zh') ? 'zh-CN' : 'en';
}
